// Package stream joins connections: bytes pass both ways, each direction ends
// separately, and a failure of one ends both.
package stream

import (
	"context"
	"io"
	"sync"
)

// Conn is an end of a stream: a net.Conn, or a channel of SSH. Close makes reads
// and writes that wait return.
type Conn = io.ReadWriteCloser

// Join passes bytes between a and b until both directions have ended, one fails or
// ctx ends. It closes both. It returns the first failure, the cause of ctx's end,
// or nil.
func Join(ctx context.Context, a, b Conn) error {
	closeBoth := func() {
		_ = a.Close()
		_ = b.Close()
	}
	defer closeBoth()
	return Both(ctx,
		func() error { return Copy(b, a) },
		func() error { return Copy(a, b) },
		func(error) { closeBoth() })
}

// Both runs the two directions of a stream and returns when both have. The first
// failure of one, or else the end of ctx, is given to cut, once, and returned: cut
// makes both directions return.
func Both(ctx context.Context, out, back func() error, cut func(error)) error {
	var once sync.Once
	var failure error
	fail := func(err error) {
		once.Do(func() {
			failure = err
			cut(err)
		})
	}
	stop := context.AfterFunc(ctx, func() { fail(context.Cause(ctx)) })
	defer stop()
	var other sync.WaitGroup
	other.Go(func() {
		if err := back(); err != nil {
			fail(err)
		}
	})
	if err := out(); err != nil {
		fail(err)
	}
	other.Wait()
	once.Do(func() {}) // a cut that is under way ends first, and none begins later
	return failure
}

// CloseWrite says that nothing more is written to c. Where the transport cannot
// say that, c is closed: its other end would wait for more, without end.
func CloseWrite(c io.Closer) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
