package vm

import (
	"context"
	"errors"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// syncLimit bounds how long a guest may take to write what it holds back.
const syncLimit = 30 * time.Second

// whileStill does something while nothing writes to the disk of a VM, which the caller
// holds: of one that runs the guest is asked to write what it holds back, and is paused.
// It runs on afterwards, whatever came of it.
func (s *Service) whileStill(ctx context.Context, v VM, p operation.Progress, do func(context.Context) error) (err error) {
	if v.State != Running {
		return do(ctx)
	}
	w, err := s.living(ctx, v)
	if err != nil {
		return err
	}
	p.Stage("sync")
	if s.deps.Quiet != nil {
		limited, cancel := context.WithTimeout(ctx, syncLimit)
		err := s.deps.Quiet.Sync(limited, v.ID)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, fault.NotFound) {
			p.Detail("the guest has no sync: what it wrote last may not be on its disk")
		} else if err != nil {
			return fault.Wrap(fault.Unavailable, err, "the guest of VM %s does not write what it holds back", v.Name).
				WithHint("%s, and try again", act.VMStop.On(v.Name))
		}
	}
	p.Stage("pause")
	defer func() { err = errors.Join(err, runOn(ctx, v, w)) }()
	if err := pauseMachine(ctx, v, w, true); err != nil {
		return err
	}
	return do(ctx)
}

// runOn lets a paused machine run on, even when ctx has ended.
func runOn(ctx context.Context, v VM, w *watch) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pauseLimit)
	defer cancel()
	if w.over() {
		return nil
	}
	return pauseMachine(ctx, v, w, false)
}
