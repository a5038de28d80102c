package vm

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// readyMargin is how much longer than the monitor the daemon waits for ready:
// the monitor keeps the deadline, this one is for a monitor that hangs.
const readyMargin = 30 * time.Second

// startHow is how a VM is started that may be started in more than one way.
type startHow struct {
	rescue bool
	cold   bool // a suspended VM boots, and its memory is discarded
}

// Start starts a stopped VM and waits; a suspended one goes on where it was. One that runs is only
// waited for.
func (s *Service) Start(ctx context.Context, name string, wait Wait, p operation.Progress) (VM, error) {
	return s.startWith(ctx, name, startHow{}, wait, p)
}

// StartCold is Start, but discards the memory of a suspended VM, which boots.
func (s *Service) StartCold(ctx context.Context, name string, wait Wait, p operation.Progress) (VM, error) {
	return s.startWith(ctx, name, startHow{cold: true}, wait, p)
}

// Rescue starts a stopped VM so that somebody gets in to repair it: the agent is
// PID 1, and what fails of the set-up is left out. A living VM is Conflict.
func (s *Service) Rescue(ctx context.Context, name string, wait Wait, p operation.Progress) (VM, error) {
	return s.startWith(ctx, name, startHow{rescue: true}, wait, p)
}

func (s *Service) startWith(ctx context.Context, name string, how startHow, wait Wait, p operation.Progress) (VM, error) {
	if err := s.checkWait(wait); err != nil {
		return VM{}, err
	}
	v, w, err := s.start(ctx, name, how, p)
	if err != nil {
		return VM{}, err
	}
	if v.State == Running && wait.kind != waitPort {
		return v, nil
	}
	before := 0
	if v.State.Alive() {
		before = w.readyCount()
	}
	if err := s.await(ctx, v, w, before, wait, p); err != nil {
		return VM{}, err
	}
	return s.byID(ctx, v.ID)
}

// start returns a VM that lives already as it is, and any other as it was.
func (s *Service) start(ctx context.Context, name string, how startHow, p operation.Progress) (VM, *watch, error) {
	v, release, err := s.claimed(ctx, name, "start")
	if err != nil {
		return VM{}, nil, err
	}
	defer release()
	if v.State.Alive() {
		w, err := s.living(ctx, v)
		switch {
		case errors.Is(err, fault.NotFound):
			// It ended unseen, which is recorded only now.
			if v, err = s.byID(ctx, v.ID); err != nil {
				return VM{}, nil, err
			}
		case err != nil:
			return VM{}, nil, err
		case v.State == Paused:
			return VM{}, nil, v.Reachable(Starting, Running)
		case v.State == Stopping:
			return VM{}, nil, fault.New(fault.Conflict, "VM %s is stopping", v.Name).WithHint("try again when it is stopped")
		case how.rescue:
			return VM{}, nil, fault.New(fault.Conflict, "VM %s is %s", v.Name, v.State).
				WithHint("%s, then %s", act.VMStop.On(v.Name), act.VMStart.On(v.Name, act.Rescue))
		default:
			return v, w, nil
		}
	}
	p.Stage("check")
	if err := s.deps.Preflight(ctx); err != nil {
		return VM{}, nil, err
	}
	if v.State == Suspended {
		w, err := s.startSuspended(ctx, v, how, p)
		return v, w, err
	}
	p.Stage("start")
	w, err := s.launch(ctx, v, how.rescue)
	return v, w, err
}

// living returns the watch of a VM whose record says that it lives; it is
// adopted when it is not watched. When there is no machine, its end is
// recorded and the fault is NotFound.
func (s *Service) living(ctx context.Context, v VM) (*watch, error) {
	s.mu.Lock()
	w := s.live[v.ID]
	s.mu.Unlock()
	if w != nil {
		return w, nil
	}
	m, err := s.deps.Machines.Adopt(ctx, v.ID)
	if err == nil {
		return s.track(v, m), nil
	}
	if !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	if recErr := s.recordExit(ctx, v.ID, v.StartID, s.exitOf(ctx, v.ID, v.StartID)); recErr != nil {
		return nil, recErr
	}
	return nil, err
}

func (s *Service) checkWait(wait Wait) error {
	if wait.kind == waitPort && s.deps.Ports == nil {
		return fault.New(fault.Invalid, "wait value %s needs a network in the guest, which this build does not support", wait).
			WithHint("ready, started or none")
	}
	return nil
}

// await waits for what was asked. The guest counts as ready if it is, or has
// become so more often than before. A machine that ends first is Unavailable,
// with the reason.
func (s *Service) await(ctx context.Context, v VM, w *watch, before int, wait Wait, p operation.Progress) error {
	if wait.kind == waitNone {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.deps.ReadyTimeout(ctx)+readyMargin,
		fault.New(fault.Unavailable, "VM %s was not %s in time", v.Name, wait).WithHint("%s", w.seeWhy(v)))
	defer cancel()
	p.Stage("boot")
	stage := ""
	reached, err := w.until(ctx, func(st Status) bool {
		if st.Stage != stage {
			stage = st.Stage
			p.Detail("%s", stage)
		}
		return st.Phase == PhaseReady || w.readyCount() > before || wait.kind == waitStarted && st.VMMPID != 0
	})
	switch {
	case err != nil:
		return causeOf(ctx, err)
	case !reached:
		return s.endedEarly(v, w)
	case wait.kind == waitPort:
		return s.awaitPort(ctx, v, w, wait, p)
	}
	return nil
}

func (s *Service) awaitPort(ctx context.Context, v VM, w *watch, wait Wait, p operation.Progress) error {
	p.Stage(wait.String())
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	result := make(chan error, 1)
	s.watchers.Go(func() {
		err := s.deps.Ports.WaitPort(waiting, v.ID, wait.port)
		if err == nil && v.Ports != PortsNone && v.Ports != PortsShared {
			w.awaitOnHost(waiting, wait.port)
		}
		result <- err
	})
	select {
	case err := <-result:
		if ctx.Err() != nil {
			return causeOf(ctx, err)
		}
		return err
	case <-w.ended:
		return s.endedEarly(v, w)
	}
}

// causeOf prefers why ctx ended, when a fault says so, to the bare error.
func causeOf(ctx context.Context, err error) error {
	if f, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
		return f
	}
	return err
}

// endedEarly tells of a machine that ended while it was waited for.
func (s *Service) endedEarly(v VM, w *watch) error {
	w.mu.Lock()
	exit := w.exit
	w.mu.Unlock()
	if exit.Reason == "" {
		return fault.New(fault.Unavailable, "the daemon is shutting down; VM %s keeps running", v.Name)
	}
	message := exit.Reason
	if exit.Message != "" {
		message += ": " + exit.Message
	}
	failure := fault.New(fault.Unavailable, "VM %s ended before it was ready: %s", v.Name, message)
	if hint := exit.hint(); len(hint) > 0 {
		return failure.WithHint("%s", hint)
	}
	if exit.Reason == ReasonGuestFailed || exit.Reason == ReasonNotReady {
		return failure.WithHint("%s, or %s to repair it", w.seeWhy(v), act.VMStart.On(v.Name, act.Rescue))
	}
	return failure.WithHint("%s", w.seeWhy(v))
}

// seeWhy is what to do to see why a guest did not come up.
func (w *watch) seeWhy(v VM) fault.Hint {
	if w.noConsole {
		return fault.Hintf("%s, then %s to see its console", act.VMSet.On(v.Name, act.Console), act.VMStart.On(v.Name))
	}
	return fault.Hintf("%s", act.VMLogs.On(v.Name))
}

// ConsoleErr is why v has no console log; nil: it has one.
func (v VM) ConsoleErr() error {
	if !v.NoConsole {
		return nil
	}
	how := act.VMStart.On(v.Name)
	if v.State.Alive() {
		how = act.VMRestart.On(v.Name)
	}
	if v.Console {
		return fault.New(fault.Conflict, "VM %s has no console log before its next start", v.Name).Try(how)
	}
	if v.State.Alive() {
		return fault.New(fault.Conflict, "VM %s has no console log: on %s a VM has a serial console only if it asks for one", v.Name, v.Driver).
			WithHint("%s, then %s, then %s", act.VMStop.On(v.Name), act.VMSet.On(v.Name, act.Console), act.VMStart.On(v.Name))
	}
	return fault.New(fault.Conflict, "VM %s has no console log: on %s a VM has a serial console only if it asks for one", v.Name, v.Driver).
		WithHint("%s, then %s", act.VMSet.On(v.Name, act.Console), act.VMStart.On(v.Name))
}
