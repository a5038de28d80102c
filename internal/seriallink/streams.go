package seriallink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/bangervm/banger/internal/stream"
)

// Dial opens a stream to port on the other side. The error is ErrRefused when
// nothing listens there, ErrClosed when the link has ended.
func (l *Link) Dial(ctx context.Context, port uint32) (net.Conn, error) {
	select {
	case l.dials <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, ErrClosed
	}
	type result struct {
		conn net.Conn
		err  error
	}
	// A stuck line blocks yamux beyond any deadline, so ctx cannot be waited for
	// in the same goroutine.
	res := make(chan result, 1)
	go func() {
		defer func() { <-l.dials }()
		conn, err := l.open(ctx, port)
		res <- result{conn, err}
	}()
	select {
	case r := <-res:
		return r.conn, r.err
	case <-ctx.Done():
		go func() {
			if r := <-res; r.conn != nil {
				_ = r.conn.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func (l *Link) open(ctx context.Context, port uint32) (net.Conn, error) {
	if l.session.NumStreams() >= maxStreams {
		return nil, fmt.Errorf("the agent channel has %d streams open already", maxStreams)
	}
	opened, err := l.session.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrClosed, err)
	}
	conn := newConn(opened)
	stop := stream.Interrupt(ctx, opened.SetReadDeadline)
	answer, err := request(opened, port)
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err == nil && answer != accepted {
		err = ErrRefused
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func request(stream *yamux.Stream, port uint32) (byte, error) {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], port)
	if _, err := stream.Write(head[:]); err != nil {
		return 0, fmt.Errorf("%w (%w)", ErrClosed, err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(stream, answer[:]); err != nil {
		return 0, fmt.Errorf("%w (%w)", ErrClosed, err)
	}
	return answer[0], nil
}

// Serve hands the other side's streams to handler, each in a goroutine of its
// own, until the link ends; then it waits for them. ctx is the handlers' and
// is cancelled when the link ends. A peer that opens more streams than it may
// loses the link. Call it once.
func (l *Link) Serve(ctx context.Context, handler Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	var streams sync.WaitGroup
	defer streams.Wait()
	defer cancel()
	for {
		stream, err := l.session.AcceptStream()
		if err != nil {
			<-l.done
			return ErrClosed
		}
		if l.opens != nil && !l.opens.Wait(ctx) {
			_ = stream.Close()
			_ = l.Close()
			return ErrClosed
		}
		if l.session.NumStreams() > maxStreams {
			_ = l.Close()
			return fmt.Errorf("%w: over %d streams", errFrame, maxStreams)
		}
		streams.Go(func() { l.accept(ctx, stream, handler) })
	}
}

func (l *Link) accept(ctx context.Context, stream *yamux.Stream, handler Handler) {
	conn := newConn(stream)
	defer func() { _ = conn.Close() }()
	if err := stream.SetReadDeadline(time.Now().Add(headerLimit)); err != nil {
		return
	}
	var head [4]byte
	if _, err := io.ReadFull(stream, head[:]); err != nil {
		return
	}
	if err := stream.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	serve := handler(ctx, binary.BigEndian.Uint32(head[:]))
	if serve == nil {
		_, _ = stream.Write([]byte{refused})
		return
	}
	if _, err := stream.Write([]byte{accepted}); err == nil {
		serve(conn)
	}
}
