package netstack

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// ownTime is how long the host's addresses are taken as known.
	ownTime = 2 * time.Second
	// The shortest prefixes of networks that the host is in, or has its own route
	// to: what is wider is no one place (a VPN for everything routes two halves).
	widestOwn4 = 16
	widestOwn6 = 48
)

// place is where the host itself is.
type place struct {
	known    bool
	addrs    map[netip.Addr]bool
	networks []netip.Prefix // public ones too
}

// placeOf makes it of the addresses of the host's interfaces, and of its routes.
func placeOf(addrs []net.Addr, routes []netip.Prefix) place {
	p := place{known: true, addrs: map[netip.Addr]bool{}}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		p.addrs[prefix.Addr()] = true
		routes = append(slices.Clip(routes), prefix)
	}
	for _, prefix := range routes {
		widest := widestOwn4
		if prefix.Addr().Is6() {
			widest = widestOwn6
		}
		if prefix.Addr().IsGlobalUnicast() && prefix.Bits() >= widest && (!prefix.IsSingleIP() || !p.addrs[prefix.Addr()]) {
			p.networks = append(p.networks, prefix.Masked())
		}
	}
	return p
}

// find says whether an address is the host's own, and in which of the networks that
// the host is in, or reaches by its own route, it is: the zero Prefix, if in
// none. What has public addresses is no less private behind a firewall. While nobody
// could find out where the host is, all is its own.
func (p place) find(addr netip.Addr) (own bool, local netip.Prefix) {
	if !p.known {
		return true, netip.Prefix{}
	}
	for _, network := range p.networks {
		if network.Contains(addr) && network.Bits() > local.Bits() {
			local = network
		}
	}
	return p.addrs[addr], local
}

// ownPlace is find of the host's place of the moment.
func ownPlace() func(netip.Addr) (own bool, local netip.Prefix) {
	return placeFrom(net.InterfaceAddrs, func() []netip.Prefix { return readRoutes("/proc/net") })
}

func placeFrom(addrs func() ([]net.Addr, error), routes func() []netip.Prefix) func(netip.Addr) (own bool, local netip.Prefix) {
	var mu sync.Mutex
	var until time.Time
	var now place
	return func(addr netip.Addr) (bool, netip.Prefix) {
		mu.Lock()
		defer mu.Unlock()
		if at := time.Now(); at.After(until) {
			if found, err := addrs(); err == nil {
				now = placeOf(found, routes())
				until = at.Add(ownTime)
			}
		}
		return now.find(addr)
	}
}
