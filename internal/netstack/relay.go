package netstack

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

const (
	copyBuffer = 64 << 10
	idleBuffer = 4 << 10
	// maxLarge bounds the large buffers of streams: one that its reader does not
	// empty keeps its own, full.
	maxLarge = 512
)

//nolint:gochecknoglobals // caches of memory
var (
	buffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}
	larges  atomic.Int64 // large buffers that streams have now
)

// takeLarge gives a stream a large buffer, or nil if there are too many.
func takeLarge() *[copyBuffer]byte {
	if larges.Add(1) > maxLarge {
		larges.Add(-1)
		return nil
	}
	return buffers.Get().(*[copyBuffer]byte)
}

func putLarge(large *[copyBuffer]byte) {
	if large != nil {
		buffers.Put(large)
		larges.Add(-1)
	}
}

// relay passes bytes both ways until both have ended, each by itself, or one
// fails; then both ends are reset. It returns why it ended, or "" for the usual.
func (f *flow) relay(guest *guestConn, host net.Conn) string {
	var once sync.Once
	var reason string
	abort := func(why string) {
		once.Do(func() {
			reason = why
			guest.reset()
			_ = reset(host)
		})
	}
	f.onCut(func() { abort("") })
	var back sync.WaitGroup
	back.Go(func() {
		if err := pass(guest, &greeter{Reader: host, f: f}, &f.received); err != nil {
			abort("reset")
		}
	})
	err := f.gate(guest, host)
	if err == nil {
		err = pass(host, f.listened(guest), &f.sent)
	}
	if err != nil {
		abort(reasonOf(err))
	}
	back.Wait()
	once.Do(func() {
		_ = guest.Close()
		_ = host.Close()
	})
	return reason
}

// listened is the guest's connection, overheard if nobody looked at it.
func (f *flow) listened(guest io.Reader) io.Reader {
	if f.needsHost {
		return guest
	}
	return &overhear{Reader: guest, f: f}
}

// reasonOf tells a connection that the policy ended from one that broke.
func reasonOf(err error) string {
	if cut, ok := errors.AsType[cutReason](err); ok {
		return string(cut)
	}
	return "reset"
}

// pass copies until src ends, and then ends dst's direction. What is idle holds a
// small buffer only.
func pass(dst io.Writer, src io.Reader, count *atomic.Int64) error {
	small := make([]byte, idleBuffer)
	var large *[copyBuffer]byte
	defer func() { putLarge(large) }()
	for {
		buf := small
		if large != nil {
			buf = large[:]
		}
		read, err := src.Read(buf)
		if read > 0 {
			count.Add(int64(read))
			if _, err := dst.Write(buf[:read]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite() // an end that is gone needs no end
			}
			return nil
		case err != nil:
			return err
		case large == nil && read == len(small):
			large = takeLarge()
		case large != nil && read < len(small):
			putLarge(large)
			large = nil
		}
	}
}
