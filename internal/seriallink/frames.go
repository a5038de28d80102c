package seriallink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The yamux frame header, by github.com/hashicorp/yamux/blob/master/spec.md:
// version 1 byte, type 1, flags 2, stream 4, length 4, big-endian.
const (
	frameHeaderSize = 12
	frameVersion    = 0

	frameData   = 0
	frameUpdate = 1
	frameGoAway = 3

	// maxFrame is yamux's initial and only stream window, in bytes.
	maxFrame = 256 << 10
	// maxWrite bounds the frames of this side, in bytes, so that one stream's
	// bulk does not hold up another's keystroke for long. With its header a frame
	// fills two writes of a virtio port: the guest's kernel takes 32 KiB at a time,
	// and waits for the host after each.
	maxWrite = 64<<10 - frameHeaderSize
)

// errFrame says that the peer sends what no peer of this protocol does.
var errFrame = errors.New("malformed frame on the agent channel")

// guard reads a peer's yamux frames and refuses those that could make this side
// grow: pings (each would cost a goroutine while the line is stuck) and frames
// longer than any window.
type guard struct {
	r    io.Reader
	head [frameHeaderSize]byte
	have int
	body uint32
	err  error // once broken, always: yamux goes on reading after some errors
}

func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.r.Read(p)
	if g.err = g.check(p[:n]); g.err != nil {
		return 0, g.err
	}
	return n, err
}

func (g *guard) check(p []byte) error {
	for len(p) > 0 {
		if g.body > 0 {
			k := min(uint64(g.body), uint64(len(p)))
			g.body -= uint32(k)
			p = p[k:]
			continue
		}
		k := copy(g.head[g.have:], p)
		g.have += k
		p = p[k:]
		if g.have < frameHeaderSize {
			return nil
		}
		g.have = 0
		if err := g.header(); err != nil {
			return err
		}
	}
	return nil
}

func (g *guard) header() error {
	if g.head[0] != frameVersion {
		return fmt.Errorf("%w: version %d", errFrame, g.head[0])
	}
	length := binary.BigEndian.Uint32(g.head[8:])
	switch g.head[1] {
	case frameData:
		if length > maxFrame {
			return fmt.Errorf("%w: %d bytes, at most %d", errFrame, length, maxFrame)
		}
		g.body = length
	case frameUpdate, frameGoAway:
	default:
		return fmt.Errorf("%w: type %d", errFrame, g.head[1])
	}
	return nil
}

// joiner writes a data frame's header and body, which yamux writes apart, with
// one Write: each costs the guest an exit.
type joiner struct {
	w   io.Writer
	buf []byte
}

func (j *joiner) Write(p []byte) (int, error) {
	if len(j.buf) == 0 && len(p) == frameHeaderSize && p[1] == frameData &&
		binary.BigEndian.Uint32(p[8:]) > 0 {
		j.buf = append(j.buf, p...)
		return len(p), nil
	}
	if len(j.buf) == 0 {
		return j.w.Write(p)
	}
	j.buf = append(j.buf, p...)
	_, err := j.w.Write(j.buf)
	j.buf = j.buf[:0]
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
