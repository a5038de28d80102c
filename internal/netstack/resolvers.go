package netstack

import (
	"bufio"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// maxResolvers is as many as the C library asks.
const maxResolvers = 3

// hostResolvers returns the servers that a resolv.conf names, which it reads
// again when the file has changed: a laptop moves. Without any, it is the one on
// the host itself, as resolv.conf(5) says.
func hostResolvers(path string) func() []netip.AddrPort {
	var mu sync.Mutex
	var read time.Time
	var size int64
	servers := fallback()
	return func() []netip.AddrPort {
		mu.Lock()
		defer mu.Unlock()
		info, err := os.Stat(path)
		if err != nil {
			return servers
		}
		if info.ModTime().Equal(read) && info.Size() == size {
			return servers
		}
		if found, err := readResolvers(path); err == nil {
			servers, read, size = found, info.ModTime(), info.Size()
		}
		return servers
	}
}

func fallback() []netip.AddrPort {
	return []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)}
}

func readResolvers(path string) ([]netip.AddrPort, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var servers []netip.AddrPort
	lines := bufio.NewScanner(f)
	for lines.Scan() && len(servers) < maxResolvers {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(words[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(addr, dnsPort))
		}
	}
	if len(servers) == 0 {
		servers = fallback()
	}
	return servers, lines.Err()
}
