package vmm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// versionLimit bounds a program's answer to --version: QEMU loads a hundred
// libraries for it, from a slow disk or on a busy host. quickLimit is for one that loads none.
const (
	versionLimit = 20 * time.Second
	quickLimit   = 3 * time.Second
)

// errNoAnswer says that a program hangs. It is remembered.
var errNoAnswer = errors.New("no answer to --version")

func noAnswerWithin(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w within %s", errNoAnswer, limit))
}

// QuickVersion is Version for a program that answers at once, or hangs.
func (h *Host) QuickVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := noAnswerWithin(ctx, quickLimit)
	defer cancel()
	return h.Version(ctx, path)
}

// askVersion ends the program and all that it has started.
func askVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := noAnswerWithin(ctx, versionLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var said head
	cmd.Stdout = &said
	err := cmd.Start()
	if err != nil {
		return "", err
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has left in its group
	switch {
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, and left something that holds its stdout
		err = nil
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return string(said), err
}

// head keeps the first bytes written to it.
type head []byte

// maxVersion bounds what is kept of a program's answer, in bytes.
const maxVersion = 4 << 10

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), maxVersion-len(*h))]...)
	return len(p), nil
}

// versions remembers what programs answered, and which do not: every start of a VM asks.
type versions struct {
	ask func(ctx context.Context, path string) (string, error)

	mu    sync.Mutex
	known map[string]version // by path
}

type version struct {
	file   file
	answer string
	err    error // errNoAnswer
}

// file tells a program from another in its place.
type file struct {
	device, inode    uint64
	size             int64
	modified, status syscall.Timespec
}

func fileAt(path string) (file, error) {
	var s syscall.Stat_t
	if err := syscall.Stat(path, &s); err != nil {
		return file{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return file{device: s.Dev, inode: s.Ino, size: s.Size, modified: s.Mtim, status: s.Ctim}, nil
}

// maxVersions bounds the memory; the paths come from configurations.
const maxVersions = 16

func (v *versions) of(ctx context.Context, path string) (string, error) {
	at, err := fileAt(path)
	if err != nil {
		return "", err
	}
	now, ok := v.remembered(path, at)
	if ok {
		return now.answer, now.err
	}
	now = version{file: at}
	now.answer, now.err = v.ask(ctx, path)
	if now.err == nil || errors.Is(now.err, errNoAnswer) {
		v.remember(path, now)
	}
	return now.answer, now.err
}

func (v *versions) remembered(path string, at file) (version, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.known[path]
	return k, ok && k.file == at
}

func (v *versions) remember(path string, now version) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil || len(v.known) >= maxVersions {
		v.known = map[string]version{}
	}
	v.known[path] = now
}
