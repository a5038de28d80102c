package netstack

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

const (
	lengthBytes   = 4
	ethernetBytes = 14
	// maxStreamFrame is the longest frame that QEMU passes on (its NET_BUFSIZE).
	// A longer one means that the framing is lost.
	maxStreamFrame = 4096 + 65536
	readBuffer     = 128 << 10
)

// link is the network card's other end, as the stack's only interface. It has
// one peer, so it needs no resolution of addresses: ARP and neighbour discovery
// are answered before the stack, and DHCP too.
type link struct {
	plan    plan
	in, out atomic.Int64 // bytes of frames, to and from the guest

	mu         sync.Mutex
	dispatcher stack.NetworkDispatcher
	end        *wire
	detached   bool
}

func newLink(p plan) *link { return &link{plan: p} }

// attach makes a wire of conn, which replaces the one before.
func (l *link) attach(conn net.Conn) *wire {
	w := newWire(conn, ethernetHeader(l.plan.mac), &l.in)
	l.mu.Lock()
	before := l.end
	l.end = w
	detached := l.detached
	l.mu.Unlock()
	if before != nil {
		before.close()
	}
	if detached {
		w.close()
	}
	return w
}

// detach closes the wire, and any later one.
func (l *link) detach() {
	l.mu.Lock()
	w := l.end
	l.detached = true
	l.mu.Unlock()
	if w != nil {
		w.close()
	}
}

func (l *link) current() (*wire, stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end, l.dispatcher
}

// receive takes frames from the wire until it ends.
func (l *link) receive(w *wire) {
	defer w.close()
	r := bufio.NewReaderSize(w.conn, readBuffer)
	var head [lengthBytes + ethernetBytes]byte
	for {
		if _, err := io.ReadFull(r, head[:lengthBytes]); err != nil {
			return
		}
		length := int(binary.BigEndian.Uint32(head[:]))
		if length > maxStreamFrame {
			return
		}
		l.out.Add(int64(length))
		if length < ethernetBytes || length > ethernetBytes+l.plan.mtu {
			if _, err := r.Discard(length); err != nil {
				return
			}
			continue
		}
		if _, err := io.ReadFull(r, head[lengthBytes:]); err != nil {
			return
		}
		payload := buffer.NewViewSize(length - ethernetBytes)
		if _, err := io.ReadFull(r, payload.AsSlice()); err != nil {
			payload.Release()
			return
		}
		l.take(w, head[lengthBytes:], payload)
	}
}

// take gives one frame to whoever it is for. It owns payload.
func (l *link) take(w *wire, ethernet []byte, payload *buffer.View) {
	verdict := l.look(ethernet, payload.AsSlice())
	_, dispatcher := l.current()
	if verdict.answer != nil {
		w.queue(outgoing{raw: verdict.answer})
	}
	if !verdict.deliver || dispatcher == nil {
		payload.Release()
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(payload)})
	dispatcher.DeliverNetworkPacket(verdict.protocol, pkt)
	pkt.DecRef()
}

// WritePackets queues packets for the guest. Without one that listens they are
// lost, and beyond the queue's bound too, as in any network: it never waits.
func (l *link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	w, _ := l.current()
	sent := 0
	for _, pkt := range pkts.AsSlice() {
		if w == nil || !w.queue(outgoing{pkt: pkt}) {
			return sent, &tcpip.ErrNoBufferSpace{}
		}
		sent++
	}
	return sent, nil
}

// Attach takes the stack's side.
func (l *link) Attach(dispatcher stack.NetworkDispatcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dispatcher = dispatcher
}

// IsAttached reports whether the stack is there.
func (l *link) IsAttached() bool {
	_, dispatcher := l.current()
	return dispatcher != nil
}

// MTU is the most bytes of a packet.
func (l *link) MTU() uint32 { return uint32(l.plan.mtu) }

// LinkAddress is the gateway's.
func (*link) LinkAddress() tcpip.LinkAddress { return tcpip.LinkAddress(gatewayMAC[:]) }

// ARPHardwareType says that the stack has no part in ARP.
func (*link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// The rest of stack.LinkEndpoint: nothing to do.

func (*link) SetMTU(uint32)                                {}
func (*link) MaxHeaderLength() uint16                      { return 0 }
func (*link) SetLinkAddress(tcpip.LinkAddress)             {}
func (*link) Capabilities() stack.LinkEndpointCapabilities { return 0 }
func (*link) Wait()                                        {}
func (*link) AddHeader(*stack.PacketBuffer)                {}
func (*link) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (*link) Close()                                       {}
func (*link) SetOnCloseAction(func())                      {}
