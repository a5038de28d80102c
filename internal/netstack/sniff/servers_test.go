package sniff_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
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
