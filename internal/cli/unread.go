package cli

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// whenUnread calls then when the other end of out, a pipe, socket or terminal, is
// closed. stop ends the watch, and waits for then.
func whenUnread(out *os.File, then func()) (stop func(), err error) {
	raw, err := out.SyscallConn()
	if err != nil {
		return nil, err
	}
	woken, wake, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var done sync.WaitGroup
	done.Go(func() {
		closed := false
		_ = raw.Control(func(fd uintptr) { closed = closedElsewhere(int32(fd), int32(woken.Fd())) }) // one that is closed here has no other end
		if closed {
			then()
		}
	})
	return func() {
		_ = wake.Close()
		done.Wait()
		_ = woken.Close()
	}, nil
}

// closedElsewhere waits until the other end of fd is closed, or that of stop is.
func closedElsewhere(fd, stop int32) bool {
	for {
		fds := []unix.PollFd{{Fd: fd}, {Fd: stop}}
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || fds[1].Revents != 0:
			return false
		}
		return fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	}
}

// endUnread ends the process when nobody reads its output any more, although there
// is nothing to write: as the next write would.
func (a *App) endUnread() (stop func(), err error) {
	return whenUnread(a.Out, func() { _, _ = a.Out.WriteString("\n") })
}
