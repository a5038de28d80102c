package firecracker

import (
	"context"
	"errors"
	"fmt"
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
	for pauses := pace.NewBackoff(100*time.Microsecond, 20*time.Millisecond); ; {
		// WNOWAIT leaves the end of the process to whoever waits for that.
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, m.PID(), &info, unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for Firecracker to stop: %w", err)
		}
		if info.Signo == int32(unix.SIGCHLD) {
			return nil
		}
		if err := pauses.Pause(ctx); err != nil {
			return errors.Join(fmt.Errorf("the process does not stop: %w", err), m.process.Signal(syscall.SIGCONT))
		}
	}
}
