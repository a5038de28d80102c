//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The internet of an isolated script: addresses in a network namespace of its
// own. See isolated.
const (
	hostAddress     = "192.0.2.1" // the host's own, on the cable to the internet
	internetAddress = "192.0.2.2"
	addrAllowed     = "203.0.113.10" // allowed.test, www.allowed.test
	addrOther       = "203.0.113.11" // other.test
	addrShort       = "203.0.113.12" // short.test, for a second
	addrPrivate     = "10.9.8.7"     // private.test
	addrMetadata    = "169.254.169.254"
	addrV6          = "2001:db8::10" // allowed.test
	upstreamDNS     = internetAddress + ":5353"
)

const (
	envInternet   = "BANGER_E2E_INTERNET" // set in the internet's process: the directory for its files
	internetReady = "internet.ready"
	internetHits  = "hits" // what any server was asked, one line each
	internetWWW   = "www"  // what the web servers serve
)

// serveInternet is the internet of an isolated script, in its own process
// that is ended with the script: on each address a web server (80, 443), an echo (7, TCP and UDP), a sink that
// answers with the hash of what it got (9000), a source (9001); a name server;
// and on addrOther another one, that would resolve anything.
func serveInternet(dir string) {
	n := newInternet(dying{}, dir)
	n.dns(upstreamDNS, "upstream", zone())
	n.dns(addrOther+":53", "foreign", nil)
	for _, host := range []string{addrAllowed, addrOther, addrShort, addrPrivate, addrMetadata, addrV6} {
		n.host(host)
	}
	if err := os.WriteFile(filepath.Join(dir, internetReady), nil, 0o600); err != nil {
		n.test.Fatal(err)
	}
	select {}
}

// cmdInternet waits for the internet, and starts the same servers on the host's
// own loopback and address for the rest of the script.
func cmdInternet(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 0, "internet")
	dir := os.Getenv(envBase)
	ready := poll(scaled(20*time.Second), func() bool {
		_, err := os.Stat(filepath.Join(dir, internetReady))
		return err == nil
	})
	if !ready {
		ts.Fatalf("the internet is not there: the script needs \"# network: isolated\"")
	}
	n := newInternet(failing{ts}, dir)
	n.host("127.0.0.1")
	n.host(hostAddress)
	ts.Setenv("BANGER_DNS", upstreamDNS)
	ts.Setenv("WWW", filepath.Join(dir, internetWWW))
}

// harness is what the internet needs of a test.
type harness interface {
	Fatal(args ...any)
	Cleanup(do func())
}

// dying is the harness of its own process.
type dying struct{}

func (dying) Fatal(args ...any) { log.Fatal(args...) }
func (dying) Cleanup(func())    {}

// failing makes a script's test a harness.
type failing struct{ ts *testscript.TestScript }

func (f failing) Fatal(args ...any) { f.ts.Fatalf("%s", fmt.Sprint(args...)) }
func (f failing) Cleanup(do func()) { f.ts.Defer(do) }

type internet struct {
	test harness
	dir  string
	hits *log.Logger
	cert tls.Certificate
}

func newInternet(test harness, dir string) *internet {
	n := &internet{test: test, dir: dir}
	hits, err := os.OpenFile(filepath.Join(dir, internetHits), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	n.check(err)
	n.hits = log.New(hits, "", 0)
	n.cert, err = selfSigned()
	n.check(err)
	return n
}

func (n *internet) check(err error) {
	if err != nil {
		n.test.Fatal(err)
	}
}

func (n *internet) hit(format string, args ...any) { n.hits.Printf(format, args...) }

func (n *internet) listen(addr string) net.Listener {
	l, err := net.Listen("tcp", addr) //nolint:noctx // there is nothing to cancel
	n.check(err)
	n.test.Cleanup(func() { _ = l.Close() })
	return l
}

func (n *internet) host(host string) {
	at := func(port string) string { return net.JoinHostPort(host, port) }
	web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.hit("web %s %s %s", host, r.Host, r.URL.Path)
		if r.URL.Path == "/" {
			_, _ = fmt.Fprintf(w, "this is %s\n", host)
			return
		}
		http.FileServer(http.Dir(filepath.Join(n.dir, internetWWW))).ServeHTTP(w, r)
	})
	server := &http.Server{Handler: web, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	n.test.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(n.listen(at("80"))) }()
	secure := tls.NewListener(n.listen(at("443")), &tls.Config{Certificates: []tls.Certificate{n.cert}})
	go func() { _ = server.Serve(secure) }()
	n.each(at("7"), func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	n.each(at("9000"), func(conn net.Conn) {
		sum := sha256.New()
		_, _ = io.Copy(sum, conn)
		_, _ = io.WriteString(conn, hex.EncodeToString(sum.Sum(nil)))
	})
	n.each(at("9001"), source)
	n.echoUDP(at("7"))
	n.echoUDP(at("443"))
}

// each serves every connection, and records it.
func (n *internet) each(addr string, serve func(net.Conn)) {
	l := n.listen(addr)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.hit("tcp %s", addr)
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
}

func (n *internet) echoUDP(addr string) {
	conn, err := net.ListenPacket("udp", addr) //nolint:noctx // there is nothing to cancel
	n.check(err)
	n.test.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			n.hit("udp %s", addr)
			_, _ = conn.WriteTo(buf[:size], from)
		}
	}()
}

// source sends as many bytes as the first line asks for, then their hash.
func source(conn net.Conn) {
	line, err := bufio.NewReader(io.LimitReader(conn, 64)).ReadString('\n')
	if err != nil {
		return
	}
	size, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil || size < 0 || size > 1<<30 {
		return
	}
	sum := sha256.New()
	block := make([]byte, 64<<10)
	_, _ = rand.Read(block)
	for size > 0 {
		part := block[:min(size, int64(len(block)))]
		sum.Write(part)
		if _, err := conn.Write(part); err != nil {
			return
		}
		size -= int64(len(part))
	}
	_, _ = io.WriteString(conn, hex.EncodeToString(sum.Sum(nil)))
}

// selfSigned is a certificate that says which server it is of.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the internet"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// cmdHits checks the record of the isolated internet: a line that matches is
// there, or, with "!", none is.
func cmdHits(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] hits REGEXP")
	}
	hits := ts.ReadFile(filepath.Join(os.Getenv(envBase), internetHits))
	if found := matches(ts, hits, args[0]); found == neg {
		ts.Fatalf("hits: match of %q is %v in:\n%s", args[0], found, hits)
	}
}

// cmdDial connects from the host, as the script's own process does, and checks
// what it gets for a text it sends ("-": nothing listens there).
func cmdDial(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 4, "dial tcp|udp|unix ADDR TEXT ANSWER|-")
	ctx, cancel := context.WithTimeout(context.Background(), scaled(10*time.Second))
	defer cancel()
	got, err := exchange(ctx, args[0], args[1], args[2])
	if args[3] == "-" {
		if err == nil && got != "" {
			ts.Fatalf("something answers at %s: %q", args[1], got)
		}
		return
	}
	ts.Check(err)
	if !matches(ts, got, args[3]) {
		ts.Fatalf("%s answered %q, want %q", args[1], got, args[3])
	}
}

func exchange(ctx context.Context, network, addr, text string) (string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, `\n`, "\r\n")); err != nil {
		return "", err
	}
	buf := make([]byte, 64<<10)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return "", err
		}
		all, err := io.ReadAll(io.LimitReader(conn, int64(len(buf))))
		return string(all), err
	}
	size, err := conn.Read(buf)
	return string(buf[:size]), err
}
