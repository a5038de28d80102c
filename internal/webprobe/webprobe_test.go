package webprobe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func to(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// raw is a server that does what handle does with each connection.
func raw(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 77, 4, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer func() { _ = conn.Close() }()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	return l.Addr().String()
}

func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1024))
		_, _ = io.WriteString(conn, text)
	}
}

func TestProbe(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	quiet := log.New(io.Discard, "", 0)
	start := func(h2, secure bool) string {
		s := httptest.NewUnstartedServer(handler)
		s.Config.ErrorLog = quiet
		s.EnableHTTP2 = h2
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	secureServer := httptest.NewTLSServer(handler)
	config := secureServer.TLS.Clone()
	secureServer.Close()
	config.NextProtos = nil
	secret := config.Clone()
	secret.ClientAuth, secret.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	for _, tt := range []struct {
		name, address, want string
	}{
		{"http", start(false, false), HTTP},
		{"https", start(false, true), HTTPS},
		{"https, HTTP/2", start(true, true), HTTPS},
		{"ssh", raw(t, answering("SSH-2.0-OpenSSH\r\n")), ""},
		{"closes at once", raw(t, func(net.Conn) {}), ""},
		{"http that takes no TLS and no HEAD", raw(t, func(conn net.Conn) {
			b := make([]byte, 1024)
			if n, _ := conn.Read(b); n > 4 && string(b[:5]) == "HEAD " {
				_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
			}
		}), HTTP},
		{"TLS, but not HTTP", raw(t, func(conn net.Conn) {
			secure := tls.Server(conn, config)
			_, _ = secure.Read(make([]byte, 1024))
			_, _ = io.WriteString(secure, "* OK IMAP4rev1 ready, as it seems to be\r\n")
		}), ""},
		{"TLS with certificates of clients", raw(t, func(conn net.Conn) { _ = tls.Server(conn, secret).HandshakeContext(t.Context()) }), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A host that is busy just now makes an answer unsure, never wrong.
			for range 20 {
				got, sure := Probe(t.Context(), 300*time.Millisecond, to(tt.address))
				if got != "" && got != tt.want {
					t.Fatalf("it is %q; want %q", got, tt.want)
				}
				if sure {
					if got != tt.want {
						t.Errorf("it is surely %q; want %q", got, tt.want)
					}
					return
				}
			}
			t.Error("it is never sure")
		})
	}
}

func TestWhoDoesNotAnswerIsNotSure(t *testing.T) {
	silent := raw(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	if got, sure := Probe(t.Context(), 300*time.Millisecond, to(silent)); got != "" || sure {
		t.Errorf("a silent server is %q, %v", got, sure)
	}
	gone := func(context.Context) (net.Conn, error) { return nil, errors.New("gone") }
	if got, sure := Probe(t.Context(), 300*time.Millisecond, gone); got != "" || sure {
		t.Errorf("no server is %q, %v", got, sure)
	}
}

// A server that wants TLS, but is slow with it, answers what has none with 400:
// it must not pass for http.
func TestSlowTLSIsNoPlainServer(t *testing.T) {
	address := raw(t, func(conn net.Conn) {
		b := make([]byte, 1024)
		n, _ := conn.Read(b)
		if n > 4 && string(b[:5]) == "HEAD " {
			_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
			return
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	if got, sure := Probe(t.Context(), 300*time.Millisecond, to(address)); got != "" || sure {
		t.Errorf("it is %q, %v; want unsure", got, sure)
	}
}
