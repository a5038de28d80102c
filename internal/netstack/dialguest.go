package netstack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/bangervm/banger/internal/fault"
)

// DialGuest connects to a port of the guest, "tcp" or "udp", from the gateway's
// address; by IPv6 if IPv4 is refused. ctx bounds the connecting only. The caller
// closes the connection; a TCP one has CloseWrite. Nobody listening is a fault,
// unavailable.
func (n *Network) DialGuest(ctx context.Context, network string, port uint16) (net.Conn, error) {
	conn, err := n.dialGuest(ctx, network, n.plan.gateway4, n.plan.guest4, port)
	if err != nil && ctx.Err() == nil {
		if six, err6 := n.dialGuest(ctx, network, n.plan.gateway6, n.plan.guest6, port); err6 == nil {
			return six, nil
		}
	}
	return conn, err
}

func (n *Network) dialGuest(ctx context.Context, network string, from, to netip.Addr, port uint16) (net.Conn, error) {
	n.mu.Lock()
	closed := n.closed
	n.mu.Unlock()
	if closed {
		return nil, fault.New(fault.Unavailable, "the VM's network is closed")
	}
	local, remote := fullAddress(from, 0), fullAddress(to, port)
	switch network {
	case "tcp":
		conn, err := n.dialInside(ctx, local, remote)
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, unreached(err, network, port)
		}
		return conn, nil
	case "udp":
		conn, err := gonet.DialUDP(n.stack, &local, &remote, networkOf(to))
		if err != nil {
			return nil, unreached(err, network, port)
		}
		return conn, nil
	default:
		return nil, fault.New(fault.Invalid, "a guest is dialled by tcp or udp, not %q", network)
	}
}

func unreached(err error, network string, port uint16) error {
	code := fault.Unavailable
	if errors.Is(err, context.Canceled) {
		code = fault.Canceled
	}
	return fault.Wrap(code, err, "cannot reach the guest's %s port %d", network, port)
}

// dialInside connects to the guest. Its buffers count among those of all
// connections: see crowded.
func (n *Network) dialInside(ctx context.Context, local, remote tcpip.FullAddress) (*insideConn, error) {
	queue := &waiter.Queue{}
	ep, failed := n.stack.NewEndpoint(tcp.ProtocolNumber, networkOf(addrOf(remote.Addr)), queue)
	if failed != nil {
		return nil, errors.New(failed.String())
	}
	n.inside.Add(1)
	c := &insideConn{TCPConn: gonet.NewTCPConn(queue, ep), ep: ep, n: n}
	n.crowded(ep)
	entry, connected := waiter.NewChannelEntry(waiter.WritableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	if failed = ep.Bind(local); failed == nil {
		failed = ep.Connect(remote)
	}
	if _, started := failed.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			c.abort()
			return nil, ctx.Err()
		case <-connected:
			failed = ep.LastError()
		}
	}
	if failed != nil {
		c.abort()
		return nil, &net.OpError{Op: "connect", Net: "tcp", Err: errors.New(failed.String())}
	}
	return c, nil
}

// insideConn is a connection that the host opened to the guest.
type insideConn struct {
	*gonet.TCPConn
	ep   tcpip.Endpoint
	n    *Network
	once sync.Once
}

// Close ends it in good order, in the background; it may be called more than once
// and at any time, as of other connections.
func (c *insideConn) Close() error {
	c.once.Do(func() {
		c.n.inside.Add(-1)
		c.n.closing.close(c.ep)
	})
	return nil
}

func (c *insideConn) abort() {
	c.once.Do(func() {
		c.n.inside.Add(-1)
		c.ep.Abort()
		c.ep.Close()
	})
}

// Read reads; an end that this side closed is net.ErrClosed no less than io.EOF.
func (c *insideConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && strings.Contains(err.Error(), "closed") {
		err = errors.Join(err, net.ErrClosed)
	}
	return n, err
}
