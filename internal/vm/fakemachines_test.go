package vm_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// fakeMachines is a vm.Machines whose monitors are values in memory. They
// outlive a Service, as monitors outlive a daemon.
type fakeMachines struct {
	points *points

	mu          sync.Mutex
	alive       map[string]*fakeMachine
	exits       map[string]vm.Exit
	specs       []vm.Spec
	boot        vm.BootTimeline     // what a started machine's monitor says
	beforeStart func()              // in the midst of a start, when there is no machine yet
	atStart     func(*fakeMachine)  // what a started machine does; nil: it gets ready
	deaf        map[string]struct{} // monitors that live but do not answer
	startErr    error               // why none starts
	suspend     func(vmID, startID string) error
	endErr      error // why they cannot be
	ends        int   // how often a monitor was ended by signals
}

func newFakeMachines(p *points) *fakeMachines {
	return &fakeMachines{
		points: p, alive: map[string]*fakeMachine{}, exits: map[string]vm.Exit{}, deaf: map[string]struct{}{},
	}
}

func (f *fakeMachines) Start(ctx context.Context, spec vm.Spec) (vm.Machine, error) {
	if err := f.points.pass(ctx, "machine"); err != nil {
		return nil, err
	}
	if f.startErr != nil {
		return nil, f.startErr
	}
	if f.beforeStart != nil {
		f.beforeStart()
	}
	f.mu.Lock()
	if f.alive[spec.VMID] != nil {
		f.mu.Unlock()
		return nil, fault.New(fault.Internal, "two machines for VM %s", spec.VMID)
	}
	m := &fakeMachine{f: f, id: spec.VMID, changed: make(chan struct{})}
	m.status = vm.Status{StartID: spec.StartID, Driver: spec.Driver, Phase: vm.PhaseBooting, VMMPID: 4711, Boots: 1, Boot: f.boot}
	f.alive[spec.VMID] = m
	f.specs = append(f.specs, spec)
	delete(f.exits, spec.VMID)
	atStart := f.atStart
	f.mu.Unlock()
	if atStart != nil {
		atStart(m)
	} else {
		m.ready()
	}
	return m, nil
}

func (f *fakeMachines) Adopt(ctx context.Context, id string) (vm.Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.deaf[id]; ok {
		return nil, fault.New(fault.Unavailable, "no answer")
	}
	if m := f.alive[id]; m != nil {
		return m, nil
	}
	return nil, fault.New(fault.NotFound, "no monitor")
}

func (f *fakeMachines) LastExit(_ context.Context, id string) (vm.Exit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if exit, ok := f.exits[id]; ok {
		return exit, nil
	}
	return vm.Exit{}, fault.New(fault.NotFound, "no exit")
}

func (f *fakeMachines) get(id string) *fakeMachine {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alive[id]
}

func (f *fakeMachines) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.alive)
}

// lastSpec is the spec of the newest start.
func (f *fakeMachines) lastSpec(t *testing.T) vm.Spec {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.specs) == 0 {
		t.Fatal("nothing was started")
	}
	return f.specs[len(f.specs)-1]
}

// fakeMachine is one machine and its monitor.
type fakeMachine struct {
	f  *fakeMachines
	id string

	mu        sync.Mutex
	status    vm.Status
	gone      bool
	changed   chan struct{}
	signals   []int
	slow      bool // is asked to stop, and shows nothing yet
	frozen    bool // its monitor does not answer
	stubborn  bool // does not end at Stop with a timeout of 0 either, nor at a signal
	onResume  int
	stopAfter []time.Duration
	network   fakeNetwork
}

// End kills a machine's monitor, whatever it is about.
func (f *fakeMachines) End(_ context.Context, vmID string) error {
	f.mu.Lock()
	if f.endErr != nil {
		f.mu.Unlock()
		return f.endErr
	}
	m := f.alive[vmID]
	f.ends++
	delete(f.deaf, vmID)
	f.mu.Unlock()
	if m != nil {
		m.vanish()
	}
	return nil
}

func (m *fakeMachine) set(change func(*vm.Status)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.status)
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *fakeMachine) ready() {
	m.set(func(s *vm.Status) { s.Phase, s.Init = vm.PhaseReady, "agent" })
}

// exit ends the machine as a monitor does: record, last event, end.
func (m *fakeMachine) exit(reason string, failed bool) {
	m.exitAs(vm.Exit{Reason: reason, Failed: failed})
}

// exitAs is exit by a machine that has more to say.
func (m *fakeMachine) exitAs(exit vm.Exit) {
	m.f.mu.Lock()
	exit.Format, exit.StartID, exit.At = vm.ExitFormat, m.status.StartID, time.Now()
	m.f.exits[m.id] = exit
	delete(m.f.alive, m.id)
	m.f.mu.Unlock()
	m.set(func(s *vm.Status) { s.Phase, s.Exit = vm.PhaseExited, exit })
	m.vanish()
}

// vanish ends the monitor without a word.
func (m *fakeMachine) vanish() {
	m.f.mu.Lock()
	delete(m.f.alive, m.id)
	m.f.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *fakeMachine) Events(ctx context.Context) (<-chan vm.Status, error) {
	ch := make(chan vm.Status)
	go func() {
		defer close(ch)
		for {
			m.mu.Lock()
			st, changed, gone := m.status, m.changed, m.gone
			m.mu.Unlock()
			if !gone || st.Phase == vm.PhaseExited {
				select {
				case ch <- st:
				case <-ctx.Done():
					return
				}
			}
			if gone {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ch, nil
}

func (m *fakeMachine) Pause(context.Context) error {
	m.set(func(s *vm.Status) { s.Paused = true })
	return nil
}

func (m *fakeMachine) Resume(context.Context) error {
	m.set(func(s *vm.Status) { s.Paused = false })
	m.mu.Lock()
	m.onResume++
	m.mu.Unlock()
	return nil
}

func (m *fakeMachine) Suspend(context.Context) error {
	m.mu.Lock()
	store := m.f.suspend
	m.mu.Unlock()
	if err := store(m.id, m.status.StartID); err != nil {
		return err
	}
	m.exit(vm.ReasonSuspended, false)
	return nil
}

func (m *fakeMachine) Stop(_ context.Context, timeout time.Duration) error {
	m.mu.Lock()
	m.stopAfter = append(m.stopAfter, timeout)
	stubborn, slow, frozen := m.stubborn, m.slow, m.frozen
	m.mu.Unlock()
	if slow {
		return nil
	}
	if frozen {
		return fault.New(fault.Unavailable, "no answer")
	}
	if stubborn {
		m.set(func(s *vm.Status) { s.Phase = vm.PhaseStopping })
		return nil
	}
	reason := vm.ReasonStopped
	if timeout == 0 {
		reason = vm.ReasonForced
	}
	m.exit(reason, false)
	return nil
}

func (m *fakeMachine) Kill(_ context.Context, signal int) error {
	m.mu.Lock()
	m.signals = append(m.signals, signal)
	stubborn, frozen := m.stubborn, m.frozen
	m.mu.Unlock()
	if frozen {
		return fault.New(fault.Unavailable, "no answer")
	}
	if signal == 9 && !stubborn {
		m.exit(vm.ReasonKilled, false)
	}
	return nil
}
