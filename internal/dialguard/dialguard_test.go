package dialguard

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// outside is what the tests take for the only address of the Internet.
var outside = netip.MustParseAddr("127.0.0.1")

// server answers at an address, and counts its connections.
func server(t *testing.T, at string) (host string, connections *atomic.Int64) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int64{}
	s := &httptest.Server{Listener: l, Config: &http.Server{
		Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		},
	}}
	s.Start()
	t.Cleanup(s.Close)
	return l.Addr().String(), connections
}

func guarded(host string) *Transport {
	return New(host, "the registry "+host, &http.Transport{}, &http.Transport{}, func(a netip.Addr) bool { return a != outside })
}

func get(t *testing.T, via http.RoundTripper, at string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := via.RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

func refused(err error) bool {
	return errors.Is(err, fault.Invalid) && strings.Contains(err.Error(), "points to the local address 127.0.0.2")
}

// TestAServerOnTheInternetLeadsNowhereInside: it is the address behind a name that counts,
// for the named host's own later addresses too.
func TestAServerOnTheInternetLeadsNowhereInside(t *testing.T) {
	inside, connections := server(t, "127.0.0.2:0")
	public, _ := server(t, "127.0.0.1:0")
	g := guarded(public)
	defer g.CloseIdleConnections()
	if err := get(t, g, g.host); err != nil {
		t.Fatal(err)
	}
	for name, via := range map[string]http.RoundTripper{"a redirect": g, "its own name": g.direct, "another name": g.elsewhere} {
		if err := get(t, via, inside); !refused(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to the reserved address", n)
	}
}

// TestAServerInsideMayLeadInside, as the user named it.
func TestAServerInsideMayLeadInside(t *testing.T) {
	inside, connections := server(t, "127.0.0.2:0")
	for name, host := range map[string]string{"the server itself": inside, "another one": "registry.example"} {
		before := connections.Load()
		g := guarded(host)
		err := get(t, g, inside)
		g.CloseIdleConnections()
		if err != nil || connections.Load() == before {
			t.Errorf("%s: error %v after %d connections", name, err, connections.Load()-before)
		}
	}
}
