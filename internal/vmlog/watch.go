package vmlog

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// look is how long to wait for an event before asking whether the VM is alive.
const look = 500 * time.Millisecond

// watcher tells when a file in a directory changes, by inotify(7).
type watcher struct {
	ctx  context.Context //nolint:containedctx // the stream's whole life
	file *os.File
	stop func() bool
}

func watch(ctx context.Context, dir string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	file := os.NewFile(uintptr(fd), "inotify")
	const events = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF
	if _, err := unix.InotifyAddWatch(fd, dir, events); err != nil {
		_ = file.Close()
		return nil, &os.PathError{Op: "inotify_add_watch", Path: dir, Err: err}
	}
	stop := context.AfterFunc(ctx, func() { _ = file.Close() })
	return &watcher{ctx: ctx, file: file, stop: stop}, nil
}

// wait returns when something has changed, or after a while. Its error is the
// context's.
func (w *watcher) wait() error {
	_ = w.file.SetReadDeadline(time.Now().Add(look))
	var events [4096]byte
	_, err := w.file.Read(events[:])
	switch {
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	default:
		return err
	}
}

func (w *watcher) close() {
	w.stop()
	_ = w.file.Close()
}
