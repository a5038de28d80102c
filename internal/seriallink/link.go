// Package seriallink carries many streams over one byte line between a host and
// its guest: a virtio-serial port. A handshake finds the beginning of a session
// in whatever an earlier one left in the line; then yamux multiplexes, the host
// being its client. A stream begins with the port that it is for, 4 bytes
// big-endian; the acceptor answers one byte, 1 for accepted and 0 for refused.
//
// There is no keep-alive and no time limit on writing: a paused guest
// is silent for as long as it likes.
package seriallink

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/stream"
)

const (
	accepted = 1
	refused  = 0

	// maxStreams bounds the streams of one link, both ways; each may hold one
	// window of unread bytes.
	maxStreams = 512
	// openBurst and openPause bound how fast the guest may open streams: its agent
	// needs one, and each costs the host some work.
	openBurst   = 64
	openPause   = 50 * time.Millisecond
	readBuffer  = 64 << 10
	headerLimit = 10 * time.Second
	// forever is yamux's limit on a write: it has no value for none.
	forever = 100 * 365 * 24 * time.Hour
)

// ErrRefused says that nothing listens on the port dialled.
var ErrRefused = errors.New("nothing listens on that port of the agent channel")

// ErrClosed says that the link has ended.
var ErrClosed = errors.New("the agent channel is closed")

// Handler decides on a stream for port: nil refuses it. Otherwise the returned
// function owns the connection, which is closed when that returns.
type Handler func(ctx context.Context, port uint32) func(conn net.Conn)

// Link is one session over the line. It is safe for concurrent use.
type Link struct {
	session *yamux.Session
	dials   chan struct{}
	done    chan struct{}
	opens   *pace.Pace // of the other side's streams; nil: it may
}

// Host makes a link over rw, which reaches the guest's port, and owns rw from
// then on, also when it fails. It waits until the guest's agent answers or ctx
// ends; ctx does not matter after that.
func Host(ctx context.Context, rw io.ReadWriteCloser) (*Link, error) {
	stop := context.AfterFunc(ctx, func() { _ = rw.Close() })
	r := bufio.NewReaderSize(rw, readBuffer)
	err := hostHandshake(ctx, rw, r)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(rw.Close()))
	}
	l, err := newLink(&line{Reader: &guard{r: r}, Writer: &joiner{w: rw}, close: rw.Close}, yamux.Client)
	if err == nil {
		l.opens = pace.New(openBurst, openPause)
	}
	return l, err
}

// Guest waits for a host on port and makes a link with it. When that has ended
// (Done), call Guest again on the same port, which the link never closes. ctx
// ends the wait only.
func Guest(ctx context.Context, port Port) (*Link, error) {
	if err := errors.Join(port.SetReadDeadline(time.Time{}), port.SetWriteDeadline(time.Time{})); err != nil {
		return nil, err
	}
	stop := stream.Interrupt(ctx, port.SetReadDeadline)
	r, err := guestHandshake(ctx, port)
	if !stop() {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	unblock := func() error {
		past := stream.Past()
		return errors.Join(port.SetReadDeadline(past), port.SetWriteDeadline(past))
	}
	return newLink(&line{Reader: &guard{r: r}, Writer: &joiner{w: port}, close: unblock}, yamux.Server)
}

// line is what yamux sees of the connection.
type line struct {
	io.Reader
	io.Writer
	close func() error
}

func (l *line) Close() error { return l.close() }

func newLink(rwc io.ReadWriteCloser, side func(io.ReadWriteCloser, *yamux.Config) (*yamux.Session, error)) (*Link, error) {
	cfg := yamux.DefaultConfig()
	cfg.EnableKeepAlive = false
	cfg.ConnectionWriteTimeout = forever
	cfg.StreamOpenTimeout = 0
	cfg.StreamCloseTimeout = 0
	cfg.MaxStreamWindowSize = maxFrame
	cfg.LogOutput = io.Discard
	session, err := side(rwc, cfg)
	if err != nil {
		return nil, errors.Join(err, rwc.Close())
	}
	l := &Link{session: session, dials: make(chan struct{}, maxStreams/2), done: make(chan struct{})}
	go func() {
		<-session.CloseChan()
		_ = session.Close() // waits until nothing touches the line any more
		close(l.done)
	}()
	return l, nil
}

// Done is closed when the link has ended, and nothing reads or writes the line
// any more.
func (l *Link) Done() <-chan struct{} { return l.done }

// Close ends the link and all its streams, and waits for that.
func (l *Link) Close() error {
	err := l.session.Close()
	<-l.done
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
