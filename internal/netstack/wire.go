package netstack

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// The bounds of what waits for a guest that does not take it (a paused one):
// beyond, frames are lost.
const (
	maxQueuedBytes  = 16 << 20
	maxQueuedFrames = 8192
	// maxBatch is how many frames one write takes: few system calls, and no more
	// memory than a batch.
	maxBatch = 128
)

// outgoing is one frame for the guest: a packet of the stack's, or a whole frame.
type outgoing struct {
	pkt *stack.PacketBuffer
	raw []byte
}

// wire is one connection to a guest's network card.
type wire struct {
	conn    net.Conn
	head    [ethernetBytes]byte // of frames to the guest, but for the type
	written *atomic.Int64

	wake chan struct{} // holds one
	done chan struct{}

	mu     sync.Mutex
	frames []outgoing
	bytes  int
	closed bool
}

// ethernetHeader is that of a frame from the gateway to the guest, without a type.
func ethernetHeader(to mac) [ethernetBytes]byte {
	var head [ethernetBytes]byte
	copy(head[:], to[:])
	copy(head[len(to):], gatewayMAC[:])
	return head
}

func newWire(conn net.Conn, head [ethernetBytes]byte, written *atomic.Int64) *wire {
	return &wire{conn: conn, head: head, written: written, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// close ends the wire. It may be called again.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	for _, f := range w.frames {
		f.release()
	}
	w.frames = nil
	close(w.done)
	_ = w.conn.Close()
}

// queue takes a frame, unless too much is waiting.
func (w *wire) queue(f outgoing) bool {
	size := f.size()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.bytes+size > maxQueuedBytes || len(w.frames) >= maxQueuedFrames {
		return false
	}
	if f.pkt != nil {
		f.pkt.IncRef()
	}
	w.frames = append(w.frames, f)
	w.bytes += size
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return true
}

// send writes what is queued until the wire is closed.
func (w *wire) send() {
	defer w.close()
	var batch []outgoing
	var heads []byte
	var vector net.Buffers
	for {
		batch = w.take(batch[:0])
		if len(batch) == 0 {
			select {
			case <-w.wake:
				continue
			case <-w.done:
				return
			}
		}
		heads, vector = w.vector(batch, heads[:0], vector[:0])
		writing := vector
		n, err := writing.WriteTo(w.conn)
		w.written.Add(max(0, n-int64(lengthBytes*len(batch))))
		for i := range batch {
			batch[i].release()
		}
		clear(vector[:cap(vector)])
		if err != nil {
			return
		}
	}
}

// take moves up to maxBatch frames out of the queue.
func (w *wire) take(into []outgoing) []outgoing {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := min(len(w.frames), maxBatch)
	into = append(into, w.frames[:count]...)
	for _, f := range into {
		w.bytes -= f.size()
	}
	rest := copy(w.frames, w.frames[count:])
	clear(w.frames[rest:])
	w.frames = w.frames[:rest]
	return into
}

// vector is what to write for batch, with the headers in heads.
func (w *wire) vector(batch []outgoing, heads []byte, vector net.Buffers) ([]byte, net.Buffers) {
	if need := len(batch) * (lengthBytes + ethernetBytes); cap(heads) < need {
		heads = make([]byte, 0, need)
	}
	for _, f := range batch {
		from := len(heads)
		heads = binary.BigEndian.AppendUint32(heads, uint32(f.size()))
		if f.raw != nil {
			vector = append(vector, heads[from:], f.raw)
			continue
		}
		heads = append(heads, w.head[:]...)
		kind := uint16(header.IPv4ProtocolNumber)
		if f.pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber {
			kind = uint16(header.IPv6ProtocolNumber)
		}
		binary.BigEndian.PutUint16(heads[len(heads)-2:], kind)
		vector = append(vector, heads[from:])
		vector = append(vector, f.pkt.AsSlices()...)
	}
	return heads, vector
}

// size is the frame's length in bytes.
func (f *outgoing) size() int {
	if f.raw != nil {
		return len(f.raw)
	}
	return ethernetBytes + f.pkt.Size()
}

func (f *outgoing) release() {
	if f.pkt != nil {
		f.pkt.DecRef()
	}
}
