package firecracker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/vmm"
)

// Pause implements vmm.Machine.
func (m *Machine) Pause(ctx context.Context) error {
	return m.command(ctx, func() error {
		if m.isPaused() {
			return nil
		}
		if err := m.stopCPUs(ctx); err != nil {
			return err
		}
		m.setPaused(true, vmm.Paused)
		return nil
	})
}

// Resume implements vmm.Machine.
func (m *Machine) Resume(ctx context.Context) error {
	return m.command(ctx, func() error {
		if !m.isPaused() {
			return nil
		}
		if err := m.startCPUs(ctx); err != nil {
			return err
		}
		m.setPaused(false, vmm.Resumed)
		return nil
	})
}

func (m *Machine) isPaused() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.paused
}

func (m *Machine) setPaused(paused bool, kind vmm.EventKind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.paused = paused
	m.events <- vmm.Event{Kind: kind}
}

func (m *Machine) stopCPUs(ctx context.Context) error {
	if !m.api.version.resumeLosesVsock() {
		return m.api.setState(ctx, statePaused)
	}
	// What these versions cannot do the host's kernel can: it stops the whole process.
	if err := m.process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return m.awaitStopped(ctx)
}

func (m *Machine) startCPUs(ctx context.Context) error {
	if !m.api.version.resumeLosesVsock() {
		return m.api.setState(ctx, stateResumed)
	}
	return m.process.Signal(syscall.SIGCONT)
}

// stopLimit bounds how long a process may take to stop, which a thread that waits for a
// disk can hold up.
const stopLimit = 10 * time.Second

// awaitStopped waits until all threads of Firecracker stand still.
func (m *Machine) awaitStopped(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	hasStopped := childStopped
	if m.jail != nil { // then it is its supervisor's child
		hasStopped = threadsStopped
	}
	for pauses := pace.NewBackoff(100*time.Microsecond, 20*time.Millisecond); ; {
		stopped, err := hasStopped(m.PID())
		if err != nil {
			return fmt.Errorf("wait for Firecracker to stop: %w", err)
		}
		if stopped {
			return nil
		}
		if err := pauses.Pause(ctx); err != nil {
			return errors.Join(fmt.Errorf("the process does not stop: %w", err), m.process.Signal(syscall.SIGCONT))
		}
	}
}

func childStopped(pid int) (bool, error) {
	// WNOWAIT leaves the end of the process to whoever waits for that.
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, err
	}
	return info.Signo == int32(unix.SIGCHLD), nil
}

// threadsStopped looks at the state of each thread: proc_pid_stat(5).
func threadsStopped(pid int) (bool, error) {
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task/*/stat"))
	if err != nil || len(files) == 0 {
		return false, errors.Join(errGone, err)
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		if _, state, ok := bytes.Cut(stat, []byte(") ")); !ok || !bytes.HasPrefix(state, []byte("T")) {
			return false, nil
		}
	}
	return true, nil
}
