// Package portmap puts a guest's ports on the host: open ports of the guest
// appear on the VM's loopback address automatically, published and requested
// ones at the address that the user chose. The owner gives a function that
// reaches the guest.
//
// A listener accepts before the guest is reached: where that then fails, the
// connection is reset, so that nobody takes it for an empty answer. What the
// guest tells of itself is bounded and made printable here; its ports can only
// ever appear on the VM's own loopback address, and are for its user alone.
package portmap

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/vm"
)

// Limits of one VM.
const (
	maxListeners = 512
	maxAuto      = 448  // the rest is left to what the user asks for
	maxConns     = 4096 // connections and UDP sessions at once
	// dialLimit bounds reaching the guest.
	dialLimit = 10 * time.Second
	// retryAfter is when a listener that could not be is tried again.
	retryAfter = 3 * time.Second
)

// Dial connects to network ("tcp", "udp", "unix") and address in the guest: as
// something is bound there, "0.0.0.0:80" or "[::]:80" included, or the path of a
// socket. A connection for "udp" keeps the datagrams apart; the others have
// CloseWrite. ctx bounds the dial only.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Config is what a Map needs.
type Config struct {
	// Loopback is the VM's address on the host; the zero Addr: it has none, and
	// ports do not appear by themselves.
	Loopback netip.Addr
	// Name is the VM's; Card its network card's addresses in the guest, if it has one.
	Name string
	Card []netip.Addr
	// Ports says which ports appear by themselves; empty: vm.PortsAll.
	Ports vm.PortsMode
	// Own tells the user's own clients from others, which no port that appears by
	// itself lets in; nil: it lets in nobody.
	Own  OwnClient
	Dial Dial
	// Probe finds out about web servers; nil: nobody asks.
	Probe Probe
	Log   *slog.Logger
}

// Map is the ports of one VM. It is safe for concurrent use.
type Map struct {
	cfg   Config
	idle  udpLimits
	again time.Duration // retryAfter
	most  int64         // maxConns
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup
	conns atomic.Int64
	queue atomic.Int64 // bytes of datagrams that wait for the guest
	webs  webs
	// strange is done when it was logged that clients cannot be told apart.
	strange sync.Once

	mu        sync.Mutex
	closed    bool
	boot      context.Context // ends with the guest's present boot
	endBoot   context.CancelFunc
	sockets   map[key]socket
	auto      map[key]*entry
	published []*entry
	forwards  []*entry
	live      int // entries that are on the host
	retry     *time.Timer
	armed     bool // retry is under way
}

// New returns a Map without ports. The caller closes it.
func New(cfg Config) *Map {
	m := &Map{cfg: cfg, idle: udpLimits{oneWay: udpOneWay, bothWays: udpBothWays}, again: retryAfter, most: maxConns, auto: map[key]*entry{}, webs: newWebs(cfg.Probe)}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.boot, m.endBoot = context.WithCancel(m.ctx)
	return m
}

// Listening makes what listens in the guest the ports that appear by
// themselves. Connections through a listener that goes may finish.
func (m *Map) Listening(l agentrpc.Listening) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.sockets = merge(l)
	m.reconcile()
}

// Reset forgets the guest, which boots again: ports that appeared by themselves
// go, connections are cut. Published ports and forwards wait for the next boot.
func (m *Map) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.endBoot()
	m.boot, m.endBoot = context.WithCancel(m.ctx)
	m.sockets = nil
	m.reconcile()
}

// Close closes all listeners, cuts all connections and waits for them.
func (m *Map) Close() {
	m.mu.Lock()
	m.closed = true
	m.stop()
	m.endBoot()
	if m.retry != nil {
		m.retry.Stop()
	}
	for _, e := range m.entries() {
		e.unbind()
	}
	m.auto, m.published, m.forwards = nil, nil, nil
	m.mu.Unlock()
	m.work.Wait()
}

// entries are all there are; the caller holds mu.
func (m *Map) entries() []*entry {
	all := make([]*entry, 0, len(m.auto)+len(m.published)+len(m.forwards))
	for _, e := range m.auto {
		all = append(all, e)
	}
	return append(append(all, m.published...), m.forwards...)
}

// present is the guest's present boot.
func (m *Map) present() context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boot
}

// take counts one more connection, and reports whether there may be one; done
// gives it back.
func (m *Map) take() bool {
	if m.conns.Add(1) > m.most {
		m.conns.Add(-1)
		return false
	}
	return true
}

func (m *Map) done() { m.conns.Add(-1) }

// target is where a listener leads to: a port, at whatever address something
// listens on it, or a fixed address.
type target struct {
	key     key
	address string
}

func (m *Map) resolve(t target) (network, address string) {
	if t.address != "" {
		return t.key.proto, t.address
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.sockets[t.key]; ok {
		return t.key.proto, s.dial.String()
	}
	// Nothing is known to listen: it may be about to.
	return t.key.proto, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), t.key.port).String()
}

// dial reaches the guest within dialLimit.
func (m *Map) dial(ctx context.Context, t target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	network, address := m.resolve(t)
	return m.cfg.Dial(ctx, network, address)
}
