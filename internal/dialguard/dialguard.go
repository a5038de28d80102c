// Package dialguard is for HTTP clients that follow redirects: a server on the Internet
// cannot lead them to an address that is not.
package dialguard

import (
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

const dialTimeout = 30 * time.Second

// Transport is the http.RoundTripper of one errand to a host that the user named. Where it
// reached that host at an address of the Internet, it reaches no reserved address any more
// (egress.Reserved), whatever name leads there: Invalid. A host that the user named at a
// reserved address may point to others there. What goes through a proxy is the proxy's to
// decide. It is safe for concurrent use.
type Transport struct {
	host, what        string
	reserved          func(netip.Addr) bool
	public            atomic.Bool
	direct, elsewhere *http.Transport
}

// New returns the Transport of an errand to host, as it is in URLs; what names it in errors.
// It takes over direct, for requests to host, and elsewhere, for all others: both get another
// dialer. reserved is for tests; nil: egress.Reserved.
func New(host, what string, direct, elsewhere *http.Transport, reserved func(netip.Addr) bool) *Transport {
	if reserved == nil {
		reserved = egress.Reserved
	}
	t := &Transport{host: host, what: what, reserved: reserved, direct: direct, elsewhere: elsewhere}
	direct.DialContext = dialer(func(a netip.Addr) error {
		if !t.reserved(a) {
			t.public.Store(true) // for good, whatever its name leads to next
		}
		return t.check(a)
	}).DialContext
	elsewhere.DialContext = dialer(t.check).DialContext
	return t
}

func (t *Transport) check(a netip.Addr) error {
	if t.public.Load() && t.reserved(a) {
		return fault.New(fault.Invalid, "%s, which is on the Internet, points to the local address %s", t.what, a)
	}
	return nil
}

// dialer returns a Dialer that asks about each address that it is about to reach.
func dialer(check func(netip.Addr) error) *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return check(at.Addr().Unmap())
	}}
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == t.host {
		return t.direct.RoundTrip(req)
	}
	return t.elsewhere.RoundTrip(req)
}

// CloseIdleConnections ends the connections that are kept for more requests. Call it at the
// end of the errand.
func (t *Transport) CloseIdleConnections() {
	t.direct.CloseIdleConnections()
	t.elsewhere.CloseIdleConnections()
}
