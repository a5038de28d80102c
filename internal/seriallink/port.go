package seriallink

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

// Port is the guest's end of the line: a virtio-serial port, or anything with
// deadlines. It reads end of file while no host is connected.
type Port interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// OpenPort opens the virtio-serial port at path without blocking I/O, so that
// deadlines work on it. The kernel lets one process open it at a time.
func OpenPort(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC|syscall.O_NOCTTY, 0)
}

const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 250 * time.Millisecond
)

// portWait waits for a host on a port that reads end of file. Where the port is
// pollable, the host's arrival ends the wait at once; the bound is there for
// ports that are not, and for an edge missed.
type portWait struct {
	port  Port
	raw   syscall.RawConn
	polls *pace.Backoff
}

func newPortWait(port Port) *portWait {
	w := &portWait{port: port, polls: pace.NewBackoff(firstPoll, lastPoll)}
	if sc, ok := port.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	return w
}

func (w *portWait) reset() { w.polls.Reset() }

func (w *portWait) forHost(ctx context.Context) error {
	wait := w.polls.Next()
	if w.raw != nil {
		if w.edge(wait) {
			return ctx.Err()
		}
		wait = firstPoll
	}
	return pace.Pause(ctx, wait)
}

// edge waits for the runtime's poller to see a change of the port. It is false
// when it did not wait, since the end of file itself leaves a change behind.
func (w *portWait) edge(wait time.Duration) bool {
	start := time.Now()
	if err := w.port.SetReadDeadline(start.Add(wait)); err != nil {
		return false
	}
	waited := false
	err := w.raw.Read(func(uintptr) bool {
		done := waited
		waited = true
		return done
	})
	if w.port.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	return errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) >= firstPoll
}

// Interrupt tells a host that believes in a session of an earlier process that
// this is over: it fills up whatever frame the host may wait for the rest of,
// and goes on with what begins none. The host then connects again.
func Interrupt(port Port) error {
	if err := port.SetWriteDeadline(time.Now().Add(interruptLimit)); err != nil {
		return err
	}
	_, err := port.Write(padding())
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil // no host takes it, so none is misled
	}
	return errors.Join(err, port.SetWriteDeadline(time.Time{}))
}

const interruptLimit = 2 * time.Second
