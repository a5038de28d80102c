// Package netstack is the virtual network of one VM: gVisor's TCP/IP stack at
// the other end of the guest's network card, in this process, without a
// privilege. It ends the guest's flows here and opens its own to where they
// lead, so that a policy decides on each before a byte leaves the host.
//
// What it is for the guest: a gateway that answers DNS and DHCPv4; an address
// that stands for the host's loopback; neighbours (VMs of the same group), each
// reached through its monitor's socket; and everything else, as far as the
// policy (internal/egress) allows. There is no router advertisement: IPv6 is
// configured statically.
//
// A denied TCP connection is reset, a denied datagram answered with "port
// unreachable", a denied echo dropped.
package netstack

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/netstack/dns"
	"github.com/bangervm/banger/internal/vm"
)

// Config is what a Network is made of. Network, VMID and Name are required.
type Config struct {
	Network vm.Network
	// VMID and Name are the VM's own; the name answers as NAME and NAME.vm.
	VMID string
	Name string
	// Policy is the one to begin with.
	Policy egress.Policy
	// Resolvers are the upstream DNS servers. Nil: those of the host's
	// resolv.conf, read again when it changes.
	Resolvers func() []netip.AddrPort
	// Log takes the records of the egress log. It must not wait. Nil: none.
	Log func(monitorrpc.Record)
	// Owner names the guest's process that has a local port, or returns "" for an
	// unknown one, at the latest when ctx ends. Few are asked at once. Nil: none is known.
	Owner func(ctx context.Context, proto string, port uint16) string
	// Now is the time of records and of DNS lifetimes. Nil: time.Now.
	Now func() time.Time
}

// Neighbour is another VM of the same group: reachable whatever the policy.
type Neighbour struct {
	VMID     string
	Name     string // answers as NAME.vm
	Address4 netip.Addr
	Address6 netip.Addr
	Socket   string // absolute path of its monitor's socket for neighbours
}

// Counters are totals since New, and what is open now.
type Counters struct {
	InBytes  int64 // in frames to the guest
	OutBytes int64 // in frames from the guest
	Flows    int   // open now
	Denied   int64 // flows that were denied
}

// dialer opens the host's side of a flow.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Network is one VM's network. It is safe for concurrent use.
type Network struct {
	config Config
	plan   plan
	dial   dialer
	ping   pinger
	own    func(netip.Addr) (own bool, local netip.Prefix) // see place.find
	// lookTime is how long is waited for what the guest or its server says first.
	lookTime time.Duration
	retimed  chan struct{} // has a value when the policy may end at another time

	link    *link
	stack   *stack.Stack
	dns     *dns.Server
	log     *recorder
	queries chan struct{} // a slot for each DNS question under way
	closing *closing

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	denied  atomic.Int64
	waiting atomic.Int64 // bytes of datagrams from the guest
	inside  atomic.Int64 // connections into the guest
	held    atomic.Int64 // bytes of its connections that wait to be looked at

	mu         sync.Mutex
	closed     bool
	policy     egress.Policy
	policyEnd  time.Time // of the first rule that ends by itself; zero: none does
	neighbours []Neighbour
	flows      map[*flow]struct{}
	datagrams  map[datagramKey]*datagramFlow
	counts     [protocols]int
	pending    *list.List // of *flow, TCP ones that are being set up, the oldest first
}

// New makes the network. Nothing is attached to it yet; Close ends it.
func New(config Config) (*Network, error) {
	return newNetwork(config, (&net.Dialer{}).DialContext)
}

func newNetwork(config Config, dial dialer) (*Network, error) {
	p, err := planOf(config.Network)
	if err != nil {
		return nil, err
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	n := &Network{
		config: config, plan: p, dial: dial, ping: dialPing,
		own: ownPlace(), lookTime: lookTime,
		queries: make(chan struct{}, maxQueries), closing: newClosing(),
		retimed: make(chan struct{}, 1), flows: map[*flow]struct{}{}, datagrams: map[datagramKey]*datagramFlow{}, pending: list.New(),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.SetPolicy(config.Policy)
	n.log = newRecorder(n.ctx, config)
	if config.Resolvers == nil {
		config.Resolvers = hostResolvers("/etc/resolv.conf")
	}
	n.dns = dns.New(dns.Config{
		Policy: n.currentPolicy, Upstreams: config.Resolvers, Local: n.localName, Dial: dial,
		Denied: n.log.nameDenied, Asked: n.log.nameAsked, Now: config.Now,
	})
	n.link = newLink(p)
	if n.stack, err = newStack(n.link); err != nil {
		n.cancel()
		return nil, err
	}
	n.handle()
	n.spawn(n.closing.watch)
	n.spawn(n.endRules)
	return n, nil
}

// spawn runs f until it returns; Close waits for it.
func (n *Network) spawn(f func(ctx context.Context)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.tasks.Go(func() { f(n.ctx) })
	return true
}

// enter is spawn for a goroutine that is there already; n.tasks.Done ends it.
func (n *Network) enter() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.tasks.Add(1)
	return true
}

// Attach takes over conn, the other end of the guest's network card: frames,
// each behind its length in four bytes, big-endian, as QEMU's stream netdev
// speaks. It replaces the one before, whose flows are cut: the machine is
// another one. It returns at once; conn is closed when it ends, is replaced, or
// by Close.
func (n *Network) Attach(conn net.Conn) {
	n.forget("the machine was started again")
	end := n.link.attach(conn)
	if !n.spawn(func(context.Context) { n.receive(end) }) ||
		!n.spawn(func(context.Context) { end.send() }) {
		end.close()
	}
}

// receive takes the guest's frames until its card is gone.
func (n *Network) receive(end *wire) {
	n.link.receive(end)
	if now, _ := n.link.current(); now == end {
		n.forget("the machine ended")
	}
}

// forget ends all that a guest which is gone had a part in, DialGuest's
// connections too.
func (n *Network) forget(reason string) {
	n.cutAll(reason)
	for _, ep := range n.stack.RegisteredEndpoints() {
		ep.Abort()
	}
}

// Counters returns the counters.
func (n *Network) Counters() Counters {
	n.mu.Lock()
	flows := len(n.flows)
	n.mu.Unlock()
	return Counters{
		InBytes: n.link.in.Load(), OutBytes: n.link.out.Load(),
		Flows: flows, Denied: n.denied.Load(),
	}
}

// Close ends the network with all its flows, and returns when nothing of it runs.
func (n *Network) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	n.cutAll("the network was closed")
	n.cancel()
	n.link.detach()
	n.stack.Close()
	n.tasks.Wait()
	n.stack.Wait()
	n.log.wait()
	return nil
}
