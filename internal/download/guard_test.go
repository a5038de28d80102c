package download

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// atAddress serves HTTPS at an address of this host.
func atAddress(t *testing.T, at string, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestRedirectsInside: a server at an address of the Internet, which is 127.0.0.1 here, cannot
// send a download to an address that is not; one that the user named inside can.
func TestRedirectsInside(t *testing.T) {
	reached := 0
	inside := atAddress(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) {
		reached++
		whole(w, r)
	})
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside.URL+"/k", http.StatusFound)
	}
	// All of httptest's servers have one certificate, which names 127.0.0.1.
	roots := x509.NewCertPool()
	roots.AddCert(inside.Certificate())
	for at, refused := range map[string]bool{"127.0.0.1:0": true, "127.0.0.3:0": false} {
		c := New(filepath.Join(t.TempDir(), "downloads"), Options{})
		c.seams.tls = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
		c.seams.reserved = func(a netip.Addr) bool { return a != netip.MustParseAddr("127.0.0.1") }
		s := atAddress(t, at, redirect)
		before := reached
		f, err := c.get(t.Context(), s.URL)
		_ = f.Close()
		_, docErr := c.Document(t.Context(), s.URL+"/k", "", 2<<20)
		for _, err := range []error{err, docErr} {
			switch {
			case refused && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "points to the local address 127.0.0.2")):
				t.Errorf("from %s: %v", at, err)
			case !refused && err != nil:
				t.Errorf("from %s: %v", at, err)
			}
		}
		if got := reached - before; refused != (got == 0) {
			t.Errorf("from %s: the server inside was asked %d times", at, got)
		}
	}
}

// TestAFileThatAnEarlierURLSent: all of it is here already, from a URL that is gone.
func TestAFileThatAnEarlierURLSent(t *testing.T) {
	c, first := serve(t, whole)
	c.expect(t, first)
	dead := "https://127.0.0.1:1/k"
	f, err := c.File(t.Context(), dead, sumOf(content), int64(len(content)), operation.Discard{})
	if err != nil || f.URL != first+"/k" {
		t.Errorf("it is from %q, %v; want %s/k", f.URL, err, first)
	}
	if err := errors.Join(f.Close(), f.Remove()); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, "*")); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
