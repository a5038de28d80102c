package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// hostile is a registry of one handler, and a client that takes 127.0.0.1 for the
// Internet and all else for reserved.
func hostile(t *testing.T, handler http.HandlerFunc) (*Client, image.Ref) {
	t.Helper()
	ts := httptest.NewServer(handler)
	t.Cleanup(ts.Close)
	c := NewClient(t.TempDir(), Options{IdleTimeout: 2 * time.Second, Architecture: "amd64", Keychain: dockerKeychain{}})
	c.seams.reserved = func(a netip.Addr) bool { return a != netip.MustParseAddr("127.0.0.1") }
	c.seams.wait = func(context.Context, time.Duration) error { return nil }
	ref, err := image.ParseRef(strings.TrimPrefix(ts.URL, "http://") + "/app:1")
	if err != nil {
		t.Fatal(err)
	}
	return c, ref
}

func isPing(r *http.Request) bool { return r.URL.Path == "/v2/" }

type flood struct{}

func (flood) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// TestHostileRegistries end with an error that names the registry, whatever they
// answer, and soon.
func TestHostileRegistries(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	inside := listenReserved(t)
	tests := []struct {
		name string
		want string
		do   http.HandlerFunc
	}{
		{"redirects without an end", "redirects more than 10 times", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}},
		{"huge headers", "headers exceeded", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Big", strings.Repeat("h", 2*maxResponseHeader))
		}},
		{"many headers", "headers exceeded", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 20_000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("h", 30))
			}
		}},
		{"an endless manifest", "sends a manifest of more than 4 MiB", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = io.Copy(w, flood{})
		}},
		{"an endless error", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.Copy(w, flood{})
		}},
		{"a manifest in drops", "does not answer", func(w http.ResponseWriter, r *http.Request) {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
		}},
		{"a redirect inside", "127.0.0.2", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+inside.Addr().String()+"/", http.StatusFound)
		}},
		{"a redirect to plain HTTP", "does not speak HTTPS", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://registry.example/", http.StatusFound)
		}},
		{"a redirect to a file", `leads to "file:///etc/passwd"`, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}},
		{"a redirect to no host", `leads to "http:///x"`, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http:///x", http.StatusFound)
		}},
		{"an error with data", "MANIFEST_UNKNOWN: manifest unknown; by name", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": "by name"},
				{"code": "NAME_UNKNOWN", "message": "no", "detail": {"Tag": "latest"}}]}`)
		}},
		{"Retry-After of a year", "limits how much", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "31536000")
			w.WriteHeader(http.StatusTooManyRequests)
		}},
		{"Retry-After again and again", "limits how much", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}},
		{"Retry-After that is none", "limits how much", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "-5 soon")
			w.WriteHeader(http.StatusTooManyRequests)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, ref := hostile(t, func(w http.ResponseWriter, r *http.Request) {
				if !isPing(r) {
					test.do(w, r)
				}
			})
			_, err := c.Open(t.Context(), ref, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "map[") || fault.CodeOf(err) == fault.Internal {
				t.Errorf("error %v (%s), want %q", err, fault.CodeOf(err), test.want)
			}
		})
	}
	if n := inside.connections.Load(); n != 0 {
		t.Errorf("%d connections to the reserved address", n)
	}
}

// TestHostileTokens: the server of tokens is the registry's word too.
func TestHostileTokens(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	inside := listenReserved(t)
	for name, test := range map[string]struct {
		realm string // empty: the registry itself
		do    http.HandlerFunc
		want  string
	}{
		"a token without an end": {"", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, flood{}) }, ""},
		"a server inside":        {"http://" + inside.Addr().String() + "/token", nil, "127.0.0.2"},
		"a server without TLS":   {"http://auth.example/token", nil, "does not speak HTTPS"},
	} {
		t.Run(name, func(t *testing.T) {
			c, ref := hostile(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					test.do(w, r)
					return
				}
				realm := test.realm
				if realm == "" {
					realm = "http://" + r.Host + "/token"
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			})
			_, err := c.Open(t.Context(), ref, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if n := inside.connections.Load(); n != 0 {
		t.Errorf("%d connections to the reserved address", n)
	}
}

// reservedListener is at 127.0.0.2, which the client takes for an address inside.
type reservedListener struct {
	net.Listener
	connections atomic.Int64
}

func listenReserved(t *testing.T) *reservedListener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	inside := &reservedListener{Listener: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			inside.connections.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return inside
}

// TestPlainHTTPIsForThisHost.
func TestPlainHTTPIsForThisHost(t *testing.T) {
	g := &guard{host: "registry.example", via: answer{}, idle: time.Minute, plain: isLoopback}
	for url, ok := range map[string]bool{
		"http://localhost/": true, "http://localhost:5000/": true, "http://127.0.0.1:5000/": true, "http://127.9.9.9/": true, "http://[::1]:5000/": true,
		"http://10.0.0.5:5000/": false, "http://registry.local/": false, "http://192.168.1.1/": false, "http://localhost.example/": false,
		"http://[::ffff:127.0.0.1]/": true, "http://127.0.0.1.example/": false, "https://registry.local/": true, "ftp://x/": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := g.RoundTrip(req)
		if (err == nil) != ok {
			t.Errorf("%s: %v, want it taken: %v", url, err, ok)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}

type answer struct{}

func (answer) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

// TestRetryAfterIsHonoured: the wait is as long as was asked for.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		asked := false
		c, ref := hostile(t, func(w http.ResponseWriter, r *http.Request) {
			if isPing(r) {
				return
			}
			if asked {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			asked = true
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(status)
		})
		c.opts.IdleTimeout = time.Minute
		var waits []time.Duration
		c.seams.wait = func(_ context.Context, d time.Duration) error {
			waits = append(waits, d)
			return nil
		}
		_, err := c.Open(t.Context(), ref, nil)
		if !errors.Is(err, fault.NotFound) || len(waits) != 1 || waits[0] != 17*time.Second {
			t.Errorf("%d: error %v after waits of %v, want one of 17s and then NotFound", status, err, waits)
		}
	}
}

// TestErrorsLeaveOutAddressesOfRequests: users know docker.io, not what stands
// behind it.
func TestErrorsLeaveOutAddressesOfRequests(t *testing.T) {
	lookup := &net.DNSError{Err: "no such host", Name: "host.example"}
	request := &url.Error{Op: "Get", URL: "https://host.example/v2/", Err: lookup}
	for _, test := range []struct{ in, want error }{
		{request, lookup},
		{fmt.Errorf("ping: %w", request), lookup},
		{errors.Join(request, io.EOF), errors.Join(request, io.EOF)},
		{lookup, lookup},
	} {
		if got := withoutURL(test.in); got.Error() != test.want.Error() {
			t.Errorf("%v became %v, want %v", test.in, got, test.want)
		}
	}
}
