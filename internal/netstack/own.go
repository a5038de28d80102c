package netstack

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// ownTime is how long the host's addresses are taken as known.
	ownTime = 2 * time.Second
	// widestOwn is the shortest prefix of an IPv6 network that the host is in: what
	// is wider is no one place.
	widestOwn = 48
)

// place is where the host itself is.
type place struct {
	addrs    map[netip.Addr]bool
	networks []netip.Prefix // public ones, of IPv6
}

// placeOf makes it of the addresses of the host's interfaces.
func placeOf(addrs []net.Addr) place {
	p := place{addrs: map[netip.Addr]bool{}}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		p.addrs[prefix.Addr()] = true
		if addr := prefix.Addr(); addr.Is6() && addr.IsGlobalUnicast() && prefix.Bits() >= widestOwn && !prefix.IsSingleIP() {
			p.networks = append(p.networks, prefix.Masked())
		}
	}
	return p
}

// find says whether an address is the host's own, and in which of the networks
// that the host is in it is: the zero Prefix, if in none. IPv6 needs no private
// addresses to be private: behind a router's firewall all have public ones.
func (p place) find(addr netip.Addr) (own bool, local netip.Prefix) {
	for _, network := range p.networks {
		if network.Contains(addr) {
			local = network
		}
	}
	return p.addrs[addr], local
}

// ownPlace is find of the host's place of the moment.
func ownPlace() func(netip.Addr) (own bool, local netip.Prefix) {
	var mu sync.Mutex
	var until time.Time
	var now place
	return func(addr netip.Addr) (bool, netip.Prefix) {
		mu.Lock()
		defer mu.Unlock()
		if at := time.Now(); at.After(until) {
			if addrs, err := net.InterfaceAddrs(); err == nil {
				now = placeOf(addrs)
			}
			until = at.Add(ownTime)
		}
		return now.find(addr)
	}
}
