package agent_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// peer is what is at the other end of the cable: it answers ARP for the gateway,
// and echoes.
type peer struct {
	work             sync.WaitGroup
	largest, foreign atomic.Int64
}

func (p *peer) wait() { p.work.Wait() }

func (p *peer) serve(conn net.Conn) {
	p.work.Go(func() {
		defer func() { _ = conn.Close() }()
		in := bufio.NewReader(conn)
		for {
			var size uint32
			if binary.Read(in, binary.BigEndian, &size) != nil || size < 14 || size > 1<<17 {
				return
			}
			frame := make([]byte, size)
			if _, err := io.ReadFull(in, frame); err != nil {
				return
			}
			p.largest.Store(max(p.largest.Load(), int64(size)))
			if !bytes.Equal(frame[6:12], []byte{0x52, 0x54, 0, 0, 1, 2}) {
				p.foreign.Add(1)
			}
			if answer := respond(frame); answer != nil {
				if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)); err != nil {
					return
				}
			}
		}
	})
}

// respond turns a frame into its answer, in place; nil is none.
func respond(frame []byte) []byte {
	gateway := []byte{2, 0, 0, 0, 0, 1}
	swap := func(a, b []byte) {
		for i := range a {
			a[i], b[i] = b[i], a[i]
		}
	}
	copy(frame[:6], frame[6:12])
	copy(frame[6:12], gateway)
	switch body := frame[14:]; {
	case frame[12] == 8 && frame[13] == 6 && len(body) >= 28 && body[7] == 1 && bytes.Equal(body[24:28], []byte{198, 18, 0, 1}):
		body[7] = 2 // a reply
		swap(body[8:18], body[18:28])
		copy(body[8:14], gateway)
		return frame
	case frame[12] == 8 && frame[13] == 0 && len(body) >= 28 && body[9] == 1 && body[20] == 8:
		swap(body[12:16], body[16:20])
		body[20] = 0                                             // an echo's reply
		sum := uint32(binary.BigEndian.Uint16(body[22:])) + 8<<8 // RFC 1624
		binary.BigEndian.PutUint16(body[22:], uint16(sum+sum>>16))
		return frame
	default:
		return nil
	}
}
