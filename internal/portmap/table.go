package portmap

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/plain"
)

const (
	maxWord    = 64
	maxCommand = 256
)

// key is what one port of the guest is known by.
type key struct {
	proto string
	port  uint16
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port))
}

// socket is all that listens on one port of the guest: several binds of it,
// dual-stack ones for example, are one.
type socket struct {
	bound []string // addresses, sorted
	addrs []netip.Addr
	dial  netip.AddrPort
	rank  int
	owner agentrpc.Owner
}

// merge makes one socket of those of one port, and leaves out what makes no
// sense. Nothing of it is trusted.
func merge(l agentrpc.Listening) map[key]socket {
	all := map[key]socket{}
	for _, s := range l.Sockets[:min(len(l.Sockets), agentrpc.MaxListening)] {
		addr, err := netip.ParseAddr(s.Address)
		if err != nil || addr.Zone() != "" || s.Port == 0 || s.Proto != "tcp" && s.Proto != "udp" {
			continue
		}
		addr = addr.Unmap()
		k := key{s.Proto, s.Port}
		one := all[k]
		if text := addr.String(); !slices.Contains(one.bound, text) {
			one.bound, one.addrs = append(one.bound, text), append(one.addrs, addr)
		}
		if r := rank(addr, s.V6Only); one.rank == 0 || r < one.rank {
			one.rank, one.dial = r, netip.AddrPortFrom(at(addr, s.V6Only), s.Port)
		}
		if one.owner.PID == 0 && s.PID > 0 {
			one.owner = agentrpc.Owner{
				PID: s.PID, Process: plain.Line(s.Process, maxWord), Command: plain.Line(s.Command, maxCommand),
			}
		}
		all[k] = one
	}
	for _, s := range all {
		slices.Sort(s.bound)
	}
	return all
}

// rank says which of several binds is best to reach: 1 is best.
func rank(addr netip.Addr, v6only bool) int {
	switch {
	case addr.IsUnspecified() && !v6only:
		return 1
	case addr.IsLoopback() && addr.Is4():
		return 2
	case addr.Is4():
		return 3
	case addr.IsUnspecified():
		return 4
	case addr.IsLoopback():
		return 5
	default:
		return 6
	}
}

// at is where a bind is reached: one for IPv6 alone on its loopback, one for
// both families as the one of IPv4.
func at(addr netip.Addr, v6only bool) netip.Addr {
	switch {
	case !addr.IsUnspecified():
		return addr
	case v6only:
		return netip.IPv6Loopback()
	default:
		return netip.IPv4Unspecified()
	}
}
