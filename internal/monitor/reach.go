package monitor

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/bangervm/banger/internal/agentrpc"
)

// nicDialer reaches the guest through its network card.
type nicDialer interface {
	DialGuest(ctx context.Context, network string, port uint16) (net.Conn, error)
}

// agentDialer reaches the guest from inside it.
type agentDialer interface {
	DialGuest(ctx context.Context, req agentrpc.DialRequest) (net.Conn, error)
}

// reach reaches what listens in the guest: what is bound to all addresses, or to
// that of the network card, through the card, which is quicker; all else by the
// agent.
type reach struct {
	nic   nicDialer // nil: the guest has no card
	own   []netip.Addr
	agent agentDialer
}

// dial is portmap.Dial.
func (r reach) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "unix" {
		return r.agent.DialGuest(ctx, agentrpc.DialRequest{Network: network, Address: address})
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	if r.nic != nil && r.throughCard(at.Addr()) {
		return r.nic.DialGuest(ctx, network, at.Port())
	}
	if at.Addr().IsUnspecified() {
		inside := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if at.Addr().Is6() {
			inside = netip.IPv6Loopback()
		}
		at = netip.AddrPortFrom(inside, at.Port())
	}
	return r.agent.DialGuest(ctx, agentrpc.DialRequest{Network: network, Address: at.String()})
}

func (r reach) throughCard(addr netip.Addr) bool {
	return addr.IsUnspecified() || slices.Contains(r.own, addr)
}
