package monitor

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/vmm"
)

// fakeMachine is a Machine without a VMM.
type fakeMachine struct {
	events chan vmm.Event

	mu      sync.Mutex
	paused  bool
	ended   bool
	pressed int
	signals []syscall.Signal
	// ignores are signals that the VMM does not end by.
	ignores map[syscall.Signal]bool
}

func newFakeMachine(ignores ...syscall.Signal) *fakeMachine {
	f := &fakeMachine{events: make(chan vmm.Event, 16), ignores: map[syscall.Signal]bool{}}
	for _, s := range ignores {
		f.ignores[s] = true
	}
	return f
}

func (f *fakeMachine) PID() int                 { return 4711 }
func (f *fakeMachine) Confinement() string      { return "" }
func (f *fakeMachine) Events() <-chan vmm.Event { return f.events }

func (f *fakeMachine) Pause(context.Context) error  { return f.setPaused(true, vmm.Paused) }
func (f *fakeMachine) Resume(context.Context) error { return f.setPaused(false, vmm.Resumed) }

func (f *fakeMachine) setPaused(paused bool, kind vmm.EventKind) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return errors.New("the fake has ended")
	}
	if f.paused != paused {
		f.paused = paused
		f.events <- vmm.Event{Kind: kind}
	}
	return nil
}

func (f *fakeMachine) Press(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return errors.New("the fake has ended")
	}
	f.pressed++
	return nil
}

func (f *fakeMachine) Signal(sig os.Signal) error {
	f.mu.Lock()
	number, ok := sig.(syscall.Signal)
	if !ok {
		f.mu.Unlock()
		return errors.New("no signal")
	}
	f.signals = append(f.signals, number)
	ignored := f.ignores[number]
	f.mu.Unlock()
	switch {
	case ignored:
	case number == syscall.SIGTERM:
		f.end(vmm.Exit{Cause: vmm.HostShutdown, Detail: "told to end"})
	default:
		f.end(vmm.Exit{Cause: vmm.Failed, Signal: int(number), Detail: "killed by a signal"})
	}
	return nil
}

// end ends the machine, once.
func (f *fakeMachine) end(e vmm.Exit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	f.ended = true
	f.events <- vmm.Event{Kind: vmm.Exited, Exit: e}
	close(f.events)
}

func (f *fakeMachine) got() (pressed int, signals []syscall.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pressed, append([]syscall.Signal(nil), f.signals...)
}

// contract is what the supervisor builds on, of any driver's machine.
func contract(t *testing.T, start func(t *testing.T) Machine) {
	next := func(t *testing.T, m Machine) vmm.Event {
		t.Helper()
		select {
		case e := <-m.Events():
			return e
		default:
			t.Fatal("no event is there, though the method has returned")
			return vmm.Event{}
		}
	}
	over := func(t *testing.T, m Machine) vmm.Exit {
		t.Helper()
		var last vmm.Event
		for e := range m.Events() {
			last = e
		}
		if last.Kind != vmm.Exited {
			t.Fatalf("the last event is %+v", last)
		}
		return last.Exit
	}
	t.Run("pause and resume are events before they return", func(t *testing.T) {
		m := start(t)
		for range 2 {
			if err := m.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if e := next(t, m); e.Kind != vmm.Paused {
			t.Errorf("event is %+v", e)
		}
		for range 2 {
			if err := m.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if e := next(t, m); e.Kind != vmm.Resumed {
			t.Errorf("event is %+v", e)
		}
		if err := m.Press(t.Context()); err != nil {
			t.Errorf("press: %v", err)
		}
	})
	t.Run("SIGTERM ends it in order", func(t *testing.T) {
		m := start(t)
		if err := m.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if e := over(t, m); e.Cause != vmm.HostShutdown || e.Signal != 0 {
			t.Errorf("exit is %+v", e)
		}
	})
	t.Run("SIGKILL is told, and after the end nothing harms", func(t *testing.T) {
		m := start(t)
		if m.PID() <= 0 {
			t.Errorf("process id is %d", m.PID())
		}
		if err := m.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if e := over(t, m); e.Cause != vmm.Failed || e.Signal != int(syscall.SIGKILL) || e.Detail == "" {
			t.Errorf("exit is %+v", e)
		}
		if err := m.Pause(t.Context()); err == nil {
			t.Error("pausing what has ended gave no error")
		}
		if err := m.Signal(syscall.SIGKILL); err != nil {
			t.Errorf("signalling what has ended gave %v", err)
		}
	})
}
