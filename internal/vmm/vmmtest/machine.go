// Package vmmtest has the contract that every driver keeps, and a driver without a
// VMM that keeps it too.
package vmmtest

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/bangervm/banger/internal/vmm"
)

// Machine is a machine without a VMM. Its Events hold 16 unread ones.
type Machine struct {
	// ByReset is what EndsByReset says; it is set before the machine is used.
	ByReset bool
	// Counted is what Counters returns.
	Counted vmm.Counters
	// Shape is Suspend's; it is set before the machine is used.
	Shape string

	events  chan vmm.Event
	ignores []syscall.Signal
	release func() // before Exited
	onPress func()
	saves   func(context.Context) (vmm.Saved, error) // nil: it cannot be saved

	mu       sync.Mutex
	paused   bool
	ended    bool
	goesDown bool
	pressed  int
	signals  []syscall.Signal
}

var errEnded = errors.New("the machine has ended")

// NewMachine returns a running machine, whose VMM does not end by the signals
// that it ignores.
func NewMachine(ignores ...syscall.Signal) *Machine {
	return &Machine{events: make(chan vmm.Event, 16), ignores: ignores, release: func() {}, onPress: func() {}}
}

// PID implements vmm.Machine.
func (m *Machine) PID() int { return 4711 }

// Confinement implements vmm.Machine.
func (m *Machine) Confinement() string { return "" }

// EndsByReset implements vmm.Machine.
func (m *Machine) EndsByReset() bool { return m.ByReset }

// GoesDown implements vmm.Machine.
func (m *Machine) GoesDown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.goesDown = true
}

// ToldDown reports whether the machine was told that its guest goes down.
func (m *Machine) ToldDown() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.goesDown
}

// DiskSerial implements vmm.Machine: like some VMMs, it names the disks itself.
func (m *Machine) DiskSerial(name string) string { return "serial-of-" + name }

// Events implements vmm.Machine.
func (m *Machine) Events() <-chan vmm.Event { return m.events }

// Pause implements vmm.Machine.
func (m *Machine) Pause(context.Context) error { return m.setPaused(true, vmm.Paused) }

// Resume implements vmm.Machine.
func (m *Machine) Resume(context.Context) error { return m.setPaused(false, vmm.Resumed) }

func (m *Machine) setPaused(paused bool, kind vmm.EventKind) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return errEnded
	}
	if m.paused != paused {
		m.paused = paused
		m.events <- vmm.Event{Kind: kind}
	}
	return nil
}

// Press implements vmm.Machine.
func (m *Machine) Press(context.Context) error {
	m.mu.Lock()
	if m.ended {
		m.mu.Unlock()
		return errEnded
	}
	m.pressed++
	m.mu.Unlock()
	m.onPress()
	return nil
}

// Counters implements vmm.Machine.
func (m *Machine) Counters(context.Context) (vmm.Counters, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return m.Counted, errEnded
	}
	return m.Counted, nil
}

// Signal implements vmm.Machine.
func (m *Machine) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return errors.New("no signal")
	}
	m.mu.Lock()
	m.signals = append(m.signals, number)
	m.mu.Unlock()
	switch {
	case slices.Contains(m.ignores, number):
	case number == syscall.SIGTERM:
		m.End(vmm.Exit{Cause: vmm.HostShutdown, Detail: "told to end"})
	default:
		m.End(vmm.Exit{Cause: vmm.Failed, Signal: int(number), Detail: "killed by a signal"})
	}
	return nil
}

// End ends the machine; once it has ended it does nothing.
func (m *Machine) End(e vmm.Exit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.ended = true
	m.release()
	m.events <- vmm.Event{Kind: vmm.Exited, Exit: e}
	close(m.events)
}

// FailIO is what a disk of the host's does to the machine.
func (m *Machine) FailIO(reason string) { m.events <- vmm.Event{Kind: vmm.IOError, Reason: reason} }

// Got is how often ctrl-alt-del was pressed, and the signals so far.
func (m *Machine) Got() (pressed int, signals []syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pressed, slices.Clone(m.signals)
}
