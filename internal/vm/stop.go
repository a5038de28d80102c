package vm

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

const (
	// DefaultStopTimeout is how long a guest may take to go down.
	DefaultStopTimeout = 20 * time.Second
	// MaxStopTimeout is the longest that a request may give a guest to go down.
	MaxStopTimeout = 24 * time.Hour
	// endLimit bounds how long a machine may take to be gone, once it was ended hard.
	endLimit = 15 * time.Second
	// pauseLimit bounds how long the monitor may take to show a pause or resume.
	pauseLimit = 10 * time.Second
)

// Stop asks the guest to go down, ends it hard after timeout, and waits for
// the end. A VM that does not run is left alone.
func (s *Service) Stop(ctx context.Context, name string, timeout time.Duration, p operation.Progress) (VM, error) {
	if timeout < 0 {
		return VM{}, fault.New(fault.Invalid, "timeout %s is not valid", timeout).WithHint("0 powers the VM off at once")
	}
	v, w, err := s.requestStop(ctx, name, timeout, p)
	if err != nil {
		return VM{}, err
	}
	if w != nil {
		if err := w.untilEnd(ctx, timeout+endLimit); err != nil {
			return VM{}, stuck(ctx, v, err)
		}
	}
	return s.byID(ctx, v.ID)
}

// requestStop returns no watch for a VM that does not run.
func (s *Service) requestStop(ctx context.Context, name string, timeout time.Duration, p operation.Progress) (VM, *watch, error) {
	v, release, err := s.claimed(ctx, name, "stop")
	if err != nil {
		return VM{}, nil, err
	}
	defer release()
	if v.State == Suspended {
		p.Stage(stageDiscard)
		v, err = s.discardMemory(ctx, v, ReasonForced)
		return v, nil, err
	}
	if !v.State.Alive() {
		return v, nil, nil
	}
	p.Stage("stop")
	w, err := s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return v, nil, nil
	}
	if err != nil {
		return VM{}, nil, err
	}
	if st, _ := w.snapshot(); st.Paused && timeout > 0 {
		if err := w.current().Resume(ctx); err != nil {
			s.log.Warn("cannot resume a paused VM before its stop", "vm", v.ID, "error", err)
		} else {
			v.State = Running
		}
	}
	if s.deps.Workspaces != nil {
		s.deps.Workspaces.Stopping(ctx, v, timeout > 0)
	}
	if err := w.current().Stop(ctx, timeout); err != nil && !w.over() {
		return VM{}, nil, err
	}
	w.leave()
	return v, w, nil
}

func (w *watch) over() bool {
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// stuck is the error for a machine that did not end, or whose end was not waited for.
func stuck(ctx context.Context, v VM, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Wrap(fault.Unavailable, err, "VM %s did not stop in time", v.Name).
		Try(act.VMKill.On(v.Name))
}

// Restart stops a VM if it runs, and starts it.
func (s *Service) Restart(ctx context.Context, name string, timeout time.Duration, wait Wait, p operation.Progress) (VM, error) {
	if err := s.checkWait(wait); err != nil {
		return VM{}, err
	}
	v, err := s.Stop(ctx, name, timeout, p)
	if err != nil {
		return VM{}, err
	}
	return s.Start(ctx, v.ID, wait, p)
}

// Pause stops the CPUs of a running VM. A paused one is left alone.
func (s *Service) Pause(ctx context.Context, name string) (VM, error) {
	return s.setPaused(ctx, name, true)
}

// Resume lets a paused VM run on, and has a suspended one go on where it was, which it waits for. A
// running one is left alone.
func (s *Service) Resume(ctx context.Context, name string) (VM, error) {
	v, err := s.Get(ctx, name)
	if err != nil {
		return VM{}, err
	}
	if v.State == Suspended {
		return s.Start(ctx, v.ID, WaitReady(), operation.Discard{})
	}
	return s.setPaused(ctx, name, false)
}

func (s *Service) setPaused(ctx context.Context, name string, paused bool) (VM, error) {
	verb := "resume"
	if paused {
		verb = "pause"
	}
	v, release, err := s.claimed(ctx, name, verb)
	if err != nil {
		return VM{}, err
	}
	defer release()
	if v.State != Running && v.State != Paused {
		return VM{}, notRunning(v)
	}
	w, err := s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return VM{}, notRunning(v)
	}
	if err != nil {
		return VM{}, err
	}
	if w.isLeaving() {
		return VM{}, fault.New(fault.Conflict, "VM %s is stopping", v.Name).WithHint("%s, when it is stopped", act.VMStart.On(v.Name))
	}
	if st, _ := w.snapshot(); st.Paused == paused && st.StartID != "" {
		return v, nil
	}
	if err := pauseMachine(ctx, v, w, paused); err != nil {
		return VM{}, err
	}
	return s.byID(ctx, v.ID)
}

// pauseMachine pauses a machine or lets it run on, and returns when its monitor says so.
func pauseMachine(ctx context.Context, v VM, w *watch, paused bool) error {
	act := w.current().Resume
	if paused {
		act = w.current().Pause
	}
	if err := act(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, pauseLimit)
	defer cancel()
	reached, err := w.until(limited, func(st Status) bool { return st.StartID != "" && st.Paused == paused })
	if err != nil {
		return stuck(ctx, v, err)
	}
	if !reached {
		return notRunning(v)
	}
	return nil
}

func notRunning(v VM) error {
	if v.State == Running || v.State == Paused {
		v.State = Stopped // it has just ended
	}
	return v.Reachable()
}

// Kill sends a signal (name with or without SIG, or number; empty: KILL) to
// the VMM process of a living VM. After KILL it waits for the end. It does not
// wait for the verb under way, except for one that is starting the machine.
func (s *Service) Kill(ctx context.Context, name, signal string) (VM, error) {
	number, err := ParseSignal(signal)
	if err != nil {
		return VM{}, err
	}
	v, err := s.Get(ctx, name)
	if err != nil {
		return VM{}, err
	}
	if v.State == Suspended && number == int(syscall.SIGKILL) {
		return s.killSuspended(ctx, v)
	}
	if !v.State.Alive() {
		return VM{}, notRunning(v)
	}
	w, err := s.unclaimed(ctx, v, "kill")
	if err != nil {
		return VM{}, err
	}
	if err := w.current().Kill(ctx, number); err != nil && !w.over() {
		if number != int(syscall.SIGKILL) {
			return VM{}, err
		}
		// Its monitor does not answer: both end.
		if endErr := s.deps.Machines.End(ctx, v.ID); endErr != nil {
			return VM{}, errors.Join(err, endErr)
		}
	}
	if number == int(syscall.SIGKILL) {
		if err := w.untilEnd(ctx, endLimit); err != nil {
			return VM{}, stuck(ctx, v, err)
		}
	}
	return s.byID(ctx, v.ID)
}

// unclaimed finds the machine of a VM without holding the VM, if it is watched.
func (s *Service) unclaimed(ctx context.Context, v VM, name string) (*watch, error) {
	s.mu.Lock()
	w := s.live[v.ID]
	s.mu.Unlock()
	if w != nil {
		return w, nil
	}
	release, err := s.begin(v, name)
	if err != nil {
		return nil, err
	}
	defer release()
	w, err = s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		return nil, notRunning(v)
	}
	return w, err
}
