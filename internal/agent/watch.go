package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// In an image with its own init nobody restarts the agent, so a watcher
// does: it waits for the agent's end, by a descriptor of that process, and
// becomes the next one. The agent in turn replaces a watcher that ends.

// fdWatched is the watcher's descriptor of the agent's process.
const fdWatched = 3 // the state is at pid1.FDState, as for the agent

// watcherPause keeps a watcher that dies at once from taking the whole CPU.
const watcherPause = time.Second

func (a *agent) startWatcher() error {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("open the agent's own process: %w", err)
	}
	self := os.NewFile(uintptr(pidfd), "self")
	defer func() { _ = self.Close() }()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	proc, err := os.StartProcess("/proc/self/exe", []string{"banger-vsock-agent", RoleWatch}, &os.ProcAttr{
		Dir:   "/",
		Env:   os.Environ(),
		Files: []*os.File{null, os.Stdout, os.Stderr, self, a.state},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start the agent's watcher: %w", err)
	}
	a.mu.Lock()
	a.watch = proc
	a.mu.Unlock()
	go a.keepWatcher(proc)
	return nil
}

func (a *agent) keepWatcher(proc *os.Process) {
	_, _ = proc.Wait()
	a.mu.Lock()
	wanted := a.watch == proc
	a.mu.Unlock()
	if !wanted {
		return
	}
	timer := time.NewTimer(watcherPause)
	defer timer.Stop()
	<-timer.C
	a.mu.Lock()
	wanted = a.watch == proc
	a.mu.Unlock()
	if !wanted {
		return
	}
	if err := a.startWatcher(); err != nil {
		a.log.Error("the agent has no watcher", "err", err)
	}
}

func (a *agent) stopWatcher() {
	a.mu.Lock()
	proc := a.watch
	a.watch = nil
	a.mu.Unlock()
	if proc != nil {
		_ = proc.Kill()
	}
}

// watch waits for the agent's end and becomes its successor.
func watch() error {
	unix.CloseOnExec(fdWatched)
	fds := []unix.PollFd{{Fd: fdWatched, Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("watch the agent: %w", err)
		}
		return syscall.Exec("/proc/self/exe", []string{"banger-vsock-agent", RoleOrphan}, os.Environ())
	}
}
