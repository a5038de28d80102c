package vm

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/plain"
)

// Until is what WaitFor waits for. The zero value is a guest that is ready.
type Until struct {
	stopped bool
	wait    Wait // of a VM that lives
}

// ParseUntil reads ready (also when s is empty), stopped or port:N. Anything else
// is Invalid.
func ParseUntil(s string) (Until, error) {
	if s == "stopped" {
		return Until{stopped: true}, nil
	}
	if wait, err := ParseWait(s); err == nil && (wait.kind == waitReady || wait.kind == waitPort) {
		return Until{wait: wait}, nil
	}
	return Until{}, fault.New(fault.Invalid, "condition %q is not known", plain.Value(s)).
		WithHint("use ready, stopped, or port:N with N from 1 to 65535")
}

// WaitFor waits until a VM is as wanted, however long that takes, and changes
// nothing. A VM that failed counts as stopped. One that is not alive is never
// ready: Conflict, and Unavailable when it ends while it is waited for.
func (s *Service) WaitFor(ctx context.Context, name string, until Until) (VM, error) {
	if err := s.checkWait(until.wait); err != nil {
		return VM{}, err
	}
	v, err := s.Get(ctx, name)
	if err != nil {
		return VM{}, err
	}
	v, w, err := s.watched(ctx, v)
	switch {
	case err != nil:
		return VM{}, err
	case until.stopped && w != nil:
		select {
		case <-w.ended:
		case <-ctx.Done():
			return VM{}, ctx.Err()
		}
	case until.stopped:
		return v, nil
	case w == nil:
		return VM{}, notRunning(v)
	default:
		if err := s.untilReady(ctx, v, w, until.wait); err != nil {
			return VM{}, err
		}
	}
	return s.byID(ctx, v.ID)
}

// watched finds the watch of a VM that lives, and none of one that does not. A
// machine that is just being started is waited for.
func (s *Service) watched(ctx context.Context, v VM) (VM, *watch, error) {
	s.mu.Lock()
	w := s.live[v.ID]
	s.mu.Unlock()
	if w != nil || !v.State.Alive() {
		return v, w, nil
	}
	release, err := s.beginWhenFree(ctx, v.ID, "wait")
	if err != nil {
		return v, nil, err
	}
	defer release()
	if v, err = s.byID(ctx, v.ID); err != nil || !v.State.Alive() {
		return v, nil, err
	}
	w, err = s.living(ctx, v)
	if errors.Is(err, fault.NotFound) {
		v, err = s.byID(ctx, v.ID)
	}
	return v, w, err
}

func (s *Service) untilReady(ctx context.Context, v VM, w *watch, wait Wait) error {
	reached, err := w.until(ctx, func(st Status) bool { return st.Phase == PhaseReady })
	switch {
	case err != nil:
		return err
	case !reached:
		return s.endedEarly(v, w)
	case wait.kind == waitPort:
		return s.awaitPort(ctx, v, w, wait, operation.Discard{})
	}
	return nil
}
