package hostdns

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// keepFor is how long what was found out of the host's resolver is believed.
	keepFor = 30 * time.Second
	// askFor bounds the asking of the host's resolver.
	askFor = 500 * time.Millisecond
	// maxResolvConf bounds what is read of resolv.conf, in bytes.
	maxResolvConf = 64 << 10
)

// Host knows whether the host's resolver forwards names of VMs to us. Make it
// with NewHost. It is safe for concurrent use.
type Host struct {
	local  func() bool // all resolvers that are configured are on this host
	lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	now    func() time.Time

	mu       sync.Mutex
	at       time.Time
	resolves bool
}

// NewHost looks at /etc/resolv.conf and asks as every program does.
func NewHost() *Host {
	resolver := net.Resolver{PreferGo: true}
	return &Host{
		local: localResolvers,
		lookup: func(ctx context.Context, name string) ([]netip.Addr, error) {
			return resolver.LookupNetIP(ctx, "ip4", name)
		},
		now: time.Now,
	}
}

// Resolves reports whether the host's resolver gives addr for a name of a VM. The
// answer holds for all names for half a minute. A resolver elsewhere cannot
// reach a server on this host's loopback, and is not told the names of VMs by
// asking it for them.
func (h *Host) Resolves(ctx context.Context, name string, addr netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.at.IsZero() || now.Sub(h.at) >= keepFor {
		h.resolves = h.local() && h.ask(ctx, name, addr)
		h.at = now
	}
	return h.resolves
}

func (h *Host) ask(ctx context.Context, name string, addr netip.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	found, err := h.lookup(ctx, name+".")
	return err == nil && slices.ContainsFunc(found, func(a netip.Addr) bool { return a.Unmap() == addr })
}

// localResolvers reports whether resolv.conf(5) names resolvers on this host only.
func localResolvers() bool {
	file, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	mine, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return allLocal(io.LimitReader(file, maxResolvConf), mine)
}

func allLocal(resolvConf io.Reader, mine []net.Addr) bool {
	some := false
	lines := bufio.NewScanner(resolvConf)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		addr, err := netip.ParseAddr(words[1])
		if err != nil || !addr.IsLoopback() && !slices.ContainsFunc(mine, func(a net.Addr) bool {
			prefix, err := netip.ParsePrefix(a.String())
			return err == nil && prefix.Addr() == addr.WithZone("")
		}) {
			return false
		}
		some = true
	}
	return some && lines.Err() == nil
}
