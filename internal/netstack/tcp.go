package netstack

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/bangervm/banger/internal/fault"
)

const (
	// dialTimeout is how long the host's side may take: less than a guest waits.
	dialTimeout = 60 * time.Second
	dnsPort     = 53
)

// connection takes one SYN of the guest's, in its own goroutine. The
// host's side is opened first, so that the guest sees what became of it.
func (n *Network) connection(r *tcp.ForwarderRequest) {
	if !n.enter() {
		r.Complete(true)
		return
	}
	defer n.tasks.Done()
	id := r.ID()
	asked := netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort)
	if n.plan.gateway(asked.Addr()) {
		n.connectGateway(r, asked.Port())
		return
	}
	f := n.begin(protocolTCP, id.RemotePort, asked)
	if f == nil {
		r.Complete(true)
		return
	}
	if guest, host := f.setUp(r); guest != nil {
		f.end(f.relay(guest, host))
	}
}

// setUp opens both sides of the flow, the host's first. If that fails the flow is
// at its end, and guest is nil.
func (f *flow) setUp(r *tcp.ForwarderRequest) (guest *guestConn, host net.Conn) {
	defer f.n.settingUp(f)()
	host, err := f.open()
	if err != nil {
		timedOut := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT)
		r.Complete(!timedOut)
		f.end(plainReason(err))
		return nil, nil
	}
	guest, err = f.n.accept(f.ctx, r)
	if err != nil {
		_ = reset(host)
		f.end("the guest did not complete the connection")
		return nil, nil
	}
	return guest, host
}

// settingUp notes that the flow is being set up, until done is called. Those that
// lead nowhere take long, also when the guest has given them up, which nobody is
// told: beyond maxPending the oldest gives way.
func (n *Network) settingUp(f *flow) (done func()) {
	var oldest *flow
	n.mu.Lock()
	pending := n.pending.PushBack(f)
	if n.pending.Len() > maxPending {
		oldest = n.pending.Remove(n.pending.Front()).(*flow)
	}
	n.mu.Unlock()
	if oldest != nil {
		oldest.cut("newer connections took its place")
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.pending.Remove(pending)
	}
}

// open opens the host's side of the flow.
func (f *flow) open() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(f.ctx, dialTimeout)
	defer cancel()
	if f.neighbour != nil {
		return f.n.dialNeighbour(ctx, f)
	}
	conn, err := f.n.dial(ctx, string(f.flow.Protocol), f.flow.Addr.String())
	if err != nil && ctx.Err() != nil && f.ctx.Err() == nil {
		err = os.ErrDeadlineExceeded
	}
	return conn, err
}

// plainReason is the ground of a failed dial without the addresses.
func plainReason(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}

// guestConn is the guest's end of a TCP connection.
type guestConn struct {
	*gonet.TCPConn
	ep      tcpip.Endpoint
	closing *closing
	once    sync.Once
}

// Close ends the connection in good order, in the background.
func (c *guestConn) Close() error {
	c.once.Do(func() { c.closing.close(c.ep) })
	return nil
}

// reset ends it with a RST.
func (c *guestConn) reset() {
	c.once.Do(func() {
		c.ep.Abort()
		c.ep.Close()
	})
}

// accept completes the guest's handshake.
func (n *Network) accept(ctx context.Context, r *tcp.ForwarderRequest) (*guestConn, error) {
	queue := &waiter.Queue{}
	// A cut flow's guest may never complete; nothing else ends the wait at once.
	stop := context.AfterFunc(ctx, func() { queue.Notify(waiter.WritableEvents) })
	defer stop()
	ep, err := r.CreateEndpoint(queue)
	r.Complete(err != nil)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "%s", err)
	}
	n.crowded(ep)
	ep.SocketOptions().SetKeepAlive(true)
	return &guestConn{TCPConn: gonet.NewTCPConn(queue, ep), ep: ep, closing: n.closing}, nil
}

// crowded gives an endpoint less to buffer the more flows there are, into the guest,
// and those that it does not let end too, so that all of them together are bounded, to half
// a gigabyte: the first few hundred have what is fast.
func (n *Network) crowded(ep tcpip.Endpoint) {
	n.mu.Lock()
	open := n.counts[protocolTCP]
	n.mu.Unlock()
	open += n.closing.count() + int(n.inside.Load())
	var size int64
	switch {
	case open > 1024:
		size = 32 << 10
	case open > 256:
		size = 64 << 10
	case open > 32:
		size = 256 << 10
	default:
		return
	}
	ep.SocketOptions().SetReceiveBufferSize(size, true)
	ep.SocketOptions().SetSendBufferSize(size, true)
}

// reset ends a host's connection with a RST, where there is such a thing.
func reset(conn net.Conn) error {
	if lingering, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = lingering.SetLinger(0)
	}
	return conn.Close()
}
