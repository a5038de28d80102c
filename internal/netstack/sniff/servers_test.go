package sniff_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/sniff"
)

// server is a real one. What it answers has evil's name in it when it took its
// client for evil's: the certificate of TLS 1.2, or the body of an HTTP response.
type server struct {
	network, address string
	variants         []variant
	// least is how many of them it must take for evil: the test would else show nothing.
	least int
}

// What any server takes for a host, a policy that denies the host does not let
// through, whatever the shape: the servers say what they took it for.
func TestWhatServersTakeForAnotherHostIsDenied(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, "plain", "plain.test")
	writeCertificate(t, dir, "evil", evil)
	overTLS, overHTTP := tlsVariants(), httpVariants()
	const leastTLS, leastHTTP = 15, 20
	for name, start := range map[string]func(*testing.T) []server{
		"Go": func(t *testing.T) []server {
			return []server{goTLS(t, dir, overTLS), goHTTP(t, overHTTP)}
		},
		"OpenSSL": func(t *testing.T) []server {
			at := "127.0.0.1:" + strconv.Itoa(freePort(t))
			run(t, dir, at, "openssl", "s_server", "-accept", at, "-quiet", "-tls1_2", "-cert", "plain.pem", "-key", "plain.pem",
				"-servername", evil, "-cert2", "evil.pem", "-key2", "evil.pem")
			return []server{{"tcp", at, overTLS, leastTLS}}
		},
		"GnuTLS": func(t *testing.T) []server {
			at := "127.0.0.1:" + strconv.Itoa(freePort(t))
			run(t, dir, at, "gnutls-serv", "--quiet", "--port", strings.TrimPrefix(at, "127.0.0.1:"), "--priority", "NORMAL:-VERS-TLS1.3", "--echo",
				"--x509certfile", "plain.pem", "--x509keyfile", "plain.pem", "--x509certfile", "evil.pem", "--x509keyfile", "evil.pem")
			return []server{{"tcp", at, overTLS, leastTLS}}
		},
		"nginx": func(t *testing.T) []server {
			config, err := os.ReadFile("testdata/nginx.conf")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), config, 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, dir, filepath.Join(dir, "nginx.tls"), "nginx", "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
			return []server{
				{"unix", dir + "/nginx.tls", overTLS, leastTLS},
				{"unix", dir + "/nginx.http", overHTTP, leastHTTP},
				{"unix", dir + "/nginx.tls.proxy", throughProxies(plainShape(sni(evil)).encode()), 4},
				{"unix", dir + "/nginx.http.proxy", throughProxies([]byte("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")), 4},
			}
		},
		"Node": func(t *testing.T) []server {
			run(t, "", "", "node", "testdata/servers.js", dir)
			return []server{{"unix", dir + "/node.tls", overTLS, leastTLS}, {"unix", dir + "/node.http", overHTTP, leastHTTP}}
		},
		"Python": func(t *testing.T) []server {
			run(t, "", "", "python3", "testdata/servers.py", dir)
			return []server{{"unix", dir + "/python.tls", overTLS, leastTLS}, {"unix", dir + "/python.http", overHTTP, leastHTTP}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range start(t) {
				s.try(t)
			}
		})
	}
}

// try sends all variants, and fails for each that the server takes for evil and a
// policy lets through.
func (s server) try(t *testing.T) {
	t.Helper()
	var mu sync.Mutex
	var tasks sync.WaitGroup
	slots := make(chan struct{}, 64)
	taken := 0
	for _, v := range s.variants {
		slots <- struct{}{}
		tasks.Go(func() {
			defer func() { <-slots }()
			if !s.takes(v) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			taken++
			for _, policy := range passing(v.bytes) {
				t.Errorf("%s takes %s for %s, and %q lets it through", s.address, v.what, evil, policy)
			}
		})
	}
	tasks.Wait()
	t.Logf("%s took %d of %d for %s", s.address, taken, len(s.variants), evil)
	if taken < s.least {
		t.Errorf("%s took %d of %d for %s, fewer than %d: what does this test show?", s.address, taken, len(s.variants), evil, s.least)
	}
}

// takes says whether the server takes the variant for evil: at once, or when the
// client has ended.
func (s server) takes(v variant) bool {
	conn, err := net.Dial(s.network, s.address) //nolint:noctx // at once
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := conn.Write(v.bytes); err != nil {
		return false
	}
	var got bytes.Buffer
	buf := make([]byte, 4096)
	for ended := false; ; {
		read, err := conn.Read(buf)
		got.Write(buf[:read])
		if bytes.Contains(bytes.ToLower(got.Bytes()), []byte(evil)) && (bytes.Contains(got.Bytes(), []byte("SERVED:")) || got.Bytes()[0] == 22) {
			return true
		}
		if err == nil {
			continue
		}
		half, ok := conn.(interface{ CloseWrite() error })
		if !errors.Is(err, os.ErrDeadlineExceeded) || ended || !ok {
			return false
		}
		_ = half.CloseWrite() // it waits for more: there is none
		ended = true
		_ = conn.SetDeadline(time.Now().Add(time.Second))
	}
}

// passing are the policies that would let a client through that sends the bytes,
// whole or in pieces, and then ends or waits.
func passing(data []byte) (policies []string) {
	for _, text := range []string{"default deny; allow " + allowed, "default allow; deny " + evil} {
		policy, err := egress.Parse(text)
		if err != nil {
			panic(err)
		}
		for _, port := range []uint16{80, 443, 7777} {
			f := egress.Flow{Protocol: egress.TCP, Addr: netip.AddrPortFrom(netip.MustParseAddr("203.0.113.5"), port), Names: []string{allowed}}
			v := policy.Decide(f)
			if passes(policy, f, v, data) {
				policies = append(policies, fmt.Sprintf("%s (port %d)", text, port))
			}
		}
	}
	return policies
}

func passes(policy egress.Policy, f egress.Flow, v egress.Verdict, data []byte) bool {
	said, more := sniff.First(data, false)
	if more {
		said = sniff.FirstAtEnd(data, false)
	}
	if !policy.NeedsHost(f, v) {
		return true
	}
	if !policy.CheckHost(f, v, said).Allow {
		return false
	}
	requests, at := sniff.NewRequests(data)
	if requests == nil {
		return true
	}
	passed := bytes.Clone(data[:at])
	for more := data[at:]; ; more = nil {
		pass, said := requests.Next(more)
		if said != nil && !policy.CheckHost(f, v, *said).Allow {
			return false
		}
		passed = append(passed, pass...)
		if said == nil {
			return bytes.Contains(passed, []byte(evil)) // of what is held back nobody learns
		}
	}
}

func goTLS(t *testing.T, dir string, variants []variant) server {
	t.Helper()
	certificates := map[string]*tls.Certificate{}
	for _, name := range []string{"plain", "evil"} {
		made, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		certificates[name] = &made
	}
	config := &tls.Config{MaxVersion: tls.VersionTLS12, MinVersion: tls.VersionTLS10, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { //nolint:gosec // as clients may want it
		if strings.EqualFold(strings.TrimSuffix(h.ServerName, "."), evil) {
			return certificates["evil"], nil
		}
		return certificates["plain"], nil
	}}
	at := listen(t, func(conn net.Conn) { _ = tls.Server(conn, config).HandshakeContext(t.Context()) })
	return server{"tcp", at, variants, 50} // it takes records of most versions
}

func goHTTP(t *testing.T, variants []variant) server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "SERVED:%s %s\n", r.Host, r.URL.Host)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = web.Serve(l)
	}()
	t.Cleanup(func() {
		_ = web.Close()
		<-done
	})
	return server{"tcp", l.Addr().String(), variants, 20}
}

func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			tasks.Go(func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		tasks.Wait()
	})
	return l.Addr().String()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// need skips the test when a program is not there.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is required: %v", program, err)
		}
		t.Skipf("%s is not here", program)
	}
}

// run starts a server and waits until it listens at an address, or prints a line if
// there is none.
func run(t *testing.T, dir, at, program string, args ...string) {
	t.Helper()
	need(t, program)
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	input, err := cmd.StdinPipe() // its end ends some of them
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r := bufio.NewReader(output)
		line, _ := r.ReadString('\n')
		read <- line
		_, _ = io.Copy(io.Discard, r)
	}()
	t.Cleanup(func() {
		_ = input.Close()
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %.2000s", program, complaints.String())
		}
	})
	if at == "" {
		if line := <-read; line != "ready\n" {
			t.Fatalf("%s printed %q", program, line)
		}
		return
	}
	network := "tcp"
	if filepath.IsAbs(at) {
		network = "unix"
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.Dial(network, at) //nolint:noctx // at once
		if err == nil {
			_ = conn.Close()
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", program)
}

func writeCertificate(t *testing.T, dir, file, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})...)
	if err := os.WriteFile(filepath.Join(dir, file+".pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}
