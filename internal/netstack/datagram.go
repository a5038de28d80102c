package netstack

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	// What is answered lasts longer: a program that talks through it keeps its port
	// over a quiet time (RFC 4787, 4.3).
	udpIdle     = 2 * time.Minute
	udpBothIdle = 5 * time.Minute
	echoIdle    = 10 * time.Second
	// queryIdle is for questions to a foreign resolver: one exchange.
	queryIdle = 5 * time.Second

	// The bounds of what waits to be sent on: of one flow, and of all.
	maxWaiting      = 64       // datagrams
	maxWaitingBytes = 16 << 20 // bytes
	maxDatagram     = 64 << 10
)

// datagramFlow is a flow of datagrams.
type datagramFlow struct {
	*flow
	waiting chan []byte
	last    atomic.Int64 // when something passed, in nanoseconds since the flow began
	began   time.Time
	// back sends the guest one datagram from its other end.
	back func(route *stack.Route, payload []byte)
}

// passed notes that something passed now.
func (d *datagramFlow) passed() { d.last.Store(int64(time.Since(d.began))) }

// left is how long the flow may still be quiet.
func (d *datagramFlow) left() time.Duration {
	return d.idleTime() - (time.Since(d.began) - time.Duration(d.last.Load()))
}

// wait queues a payload, or loses it. n.mu is held: one that comes as the flow
// leaves would count as waiting for ever.
func (d *datagramFlow) wait(payload []byte) {
	if d.n.waiting.Add(int64(len(payload))) <= maxWaitingBytes {
		select {
		case d.waiting <- payload:
			return
		default:
		}
	}
	d.n.waiting.Add(-int64(len(payload)))
}

// leave ends the flow.
func (d *datagramFlow) leave(key datagramKey, reason string) {
	d.n.mu.Lock()
	if d.n.datagrams[key] == d { // a card that was attached since may have begun another
		delete(d.n.datagrams, key)
	}
	d.n.mu.Unlock()
	for {
		select {
		case payload := <-d.waiting:
			d.n.waiting.Add(-int64(len(payload)))
			continue
		default:
		}
		break
	}
	d.end(reason)
}

// run opens the host's side and passes datagrams until the flow is idle or cut.
func (d *datagramFlow) run(key datagramKey) {
	conn, err := d.openDatagrams()
	if err != nil {
		d.leave(key, plainReason(err))
		return
	}
	d.onCut(func() { _ = conn.Close() })
	read := make(chan struct{})
	go func() {
		defer close(read)
		d.receive(conn)
	}()
	reason := d.send(conn, read)
	_ = conn.Close()
	<-read
	d.leave(key, reason)
}

func (d *datagramFlow) openDatagrams() (net.Conn, error) {
	if d.protocol == protocolICMP {
		return d.n.ping(d.flow.flow.Addr.Addr())
	}
	return d.open()
}

func (d *datagramFlow) idleTime() time.Duration {
	switch {
	case d.protocol == protocolICMP:
		return echoIdle
	case d.asked.Port() == dnsPort:
		return queryIdle
	case d.received.Load() > 0:
		return udpBothIdle
	default:
		return udpIdle
	}
}

// send passes on what the guest sends. It returns why the flow ends.
func (d *datagramFlow) send(conn net.Conn, read <-chan struct{}) string {
	idle := time.NewTimer(d.left())
	defer idle.Stop()
	for {
		select {
		case payload := <-d.waiting:
			d.n.waiting.Add(-int64(len(payload)))
			d.passed()
			if sent, err := conn.Write(payload); err == nil {
				d.sent.Add(int64(sent))
			} else if !passing(err) {
				return plainReason(err)
			}
		case <-idle.C:
			left := d.left()
			if left <= 0 {
				return ""
			}
			idle.Reset(left)
		case <-read:
			return ""
		case <-d.ctx.Done():
			return ""
		}
	}
}

// receive passes on what comes back, until conn ends.
func (d *datagramFlow) receive(conn net.Conn) {
	route, err := d.n.route(d.asked.Addr())
	if err != nil {
		return
	}
	defer route.Release()
	buf := datagrams.Get().(*[maxDatagram]byte)
	defer datagrams.Put(buf)
	for {
		read, err := conn.Read(buf[:])
		if err == nil {
			d.received.Add(int64(read))
			d.passed()
			d.back(route, buf[:read])
		} else if !passing(err) {
			return
		}
	}
}

// passing reports whether an error of a socket for datagrams is of one datagram.
func passing(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.EMSGSIZE, syscall.ENOBUFS, syscall.EAGAIN, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.EPERM,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
