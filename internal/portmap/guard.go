package portmap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/stream"
	"github.com/bangervm/banger/internal/vm"
)

// OwnClient reports whether a client on this host, which connects from client
// to server, is of the user whose VM it is. The error says that it is not known.
type OwnClient func(proto string, client, server netip.AddrPort) (bool, error)

// againAfter is how long a UDP client counts as who it was: the port may be
// another user's by then.
const againAfter = 100 * time.Millisecond

// admits reports whether a client may use e. What the guest opens by itself is
// for its owner; what the user has published is for whom it was published.
func (m *Map) admits(e *entry, proto string, client, server net.Addr) bool {
	if e.source != monitorrpc.SourceAuto {
		return true
	}
	if m.cfg.Own == nil {
		return false
	}
	ours, err := m.cfg.Own(proto, addrPort(client), addrPort(server))
	if err != nil {
		m.strange.Do(func() {
			m.cfg.Log.Warn("cannot find out which user a client belongs to, so no client is accepted", "err", err)
		})
	}
	return ours && err == nil
}

func addrPort(a net.Addr) netip.AddrPort {
	if a, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// shown reports whether a socket of the guest appears on the host by itself.
func (m *Map) shown(s socket) bool {
	switch m.cfg.Ports {
	case vm.PortsNone:
		return false
	case vm.PortsShared:
		return m.shared(s)
	default:
		return true
	}
}

// shared reports whether the guest offers a socket to others than itself.
func (m *Map) shared(s socket) bool {
	return slices.ContainsFunc(s.addrs, func(a netip.Addr) bool {
		return a.IsUnspecified() || slices.Contains(m.cfg.Card, a)
	})
}

// loopbackOnly reports whether a socket is bound to the guest's loopback only.
func loopbackOnly(s socket) bool {
	return !slices.ContainsFunc(s.addrs, func(a netip.Addr) bool { return !a.IsLoopback() })
}

// screened is the client's side of a connection through e as its bytes are
// carried to the guest. A server that is bound to the guest's loopback takes
// whoever reaches it for a program of the guest's own: a web page in the user's
// browser must not, under its own name that it had point here.
func (m *Map) screened(e *entry, host net.Conn) net.Conn {
	if e.source != monitorrpc.SourceAuto || e.network != "tcp" {
		return host
	}
	m.mu.Lock()
	s, ok := m.sockets[e.to.key]
	m.mu.Unlock()
	if ok && m.shared(s) { // what is not known any more was bound to either
		return host
	}
	return &screen{Conn: host, allowed: m.answersTo, patience: undecided}
}

// answersTo reports whether host, of an HTTP request, names the VM as the user
// does: by its name, by an address of this host's loopback, or as localhost.
func (m *Map) answersTo(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(hostOnly(host), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "localhost" || m.cfg.Name != "" && (host == m.cfg.Name || host == m.cfg.Name+".vm")
}

// hostOnly cuts the port off, and the brackets of an address of IPv6.
func hostOnly(host string) string {
	if bare, rest, ok := strings.Cut(strings.TrimPrefix(host, "["), "]"); ok && (rest == "" || rest[0] == ':') {
		return bare
	}
	bare, _, _ := strings.Cut(host, ":")
	return bare
}

// misdirected answers a request for a name that is not the VM's, or by a page of
// another, and waits for the client to have read that.
func misdirected(ctx context.Context, conn net.Conn, request *misdirectedError) {
	status, what := "421 Misdirected Request", "answer for the host"
	if request.page {
		status, what = "403 Forbidden", "answer pages of"
	}
	body := fmt.Sprintf("banger: this port of a VM does not %s %.100q\n", what, request.host)
	_ = conn.SetDeadline(time.Now().Add(farewell))
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	defer stop()
	_, err := fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n%s", status, len(body), body)
	if err == nil && stream.CloseWrite(conn) == nil {
		buf := make([]byte, stream.SmallBuffer)
		for n, left := 0, maxHead; err == nil && left > 0; left -= n {
			n, err = conn.Read(buf)
		}
	}
}
