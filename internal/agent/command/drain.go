package command

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

const (
	// outputGrace is how long a finished command's output may still come, when
	// something that it left running holds the pipe.
	outputGrace = 100 * time.Millisecond
	// maxLeft bounds what is taken from the pipe after that: no pipe holds more.
	maxLeft = 1 << 20
)

// Output is a command's output, a pipe or a terminal, read until the command
// has ended and all that it wrote is passed on.
type Output struct {
	f *os.File
}

// finish says that the command has ended.
func (o *Output) finish() { _ = o.f.SetReadDeadline(time.Now().Add(outputGrace)) }

// Each reads into buf and calls f with what was read, until the end or an error
// of f.
func (o *Output) Each(buf []byte, f func(n int) error) error {
	for {
		n, err := o.f.Read(buf)
		if n > 0 {
			if err := f(n); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, syscall.EIO), errors.Is(err, os.ErrClosed):
			return nil // EIO: no process has the terminal open any more
		case errors.Is(err, os.ErrDeadlineExceeded):
			return o.rest(buf, f)
		default:
			return err
		}
	}
}

// rest takes what is in the pipe, without waiting.
func (o *Output) rest(buf []byte, f func(n int) error) error {
	raw, err := o.f.SyscallConn()
	if err != nil {
		return err
	}
	for left := maxLeft; left > 0; {
		var n int
		var readErr error
		if err := raw.Control(func(fd uintptr) { n, readErr = readOnce(int(fd), buf) }); err != nil {
			return nil //nolint:nilerr // closed: nobody wants the rest
		}
		if readErr != nil || n <= 0 {
			return nil //nolint:nilerr // empty, or at its end
		}
		if err := f(n); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// errNothingYet says that a pipe is empty, and that somebody may still write.
const errNothingYet = syscall.EAGAIN

// readOnce reads without waiting, whatever signal comes.
func readOnce(fd int, buf []byte) (n int, err error) {
	for {
		n, err = syscall.Read(fd, buf)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
