package vm

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/egress"
)

// maxUnasked bounds how long a rule that ended stays in a record where the host's clock is
// set, or the host slept.
const maxUnasked = 15 * time.Second

// retime has endRules look when the next rule ends.
func (s *Service) retime() {
	select {
	case s.retimed <- struct{}{}:
	default:
	}
}

// endRules takes egress rules out of the records at their time, until ctx ends. Machines do
// that by themselves.
func (s *Service) endRules(ctx context.Context) {
	for {
		next, err := s.dropEnded(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("egress rules that ended are not removed; trying again", "error", err)
			next = s.now().Add(maxUnasked)
		}
		if !s.untilEnd(ctx, next) {
			return
		}
	}
}

// untilEnd waits until it is time to look again; false: ctx ended.
func (s *Service) untilEnd(ctx context.Context, next time.Time) bool {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(max(0, min(next.Sub(s.now()), maxUnasked)))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-s.retimed:
	case <-ctx.Done():
		return false
	}
	return true
}

// dropEnded removes the rules that ended, and says when the next one ends; zero: none does.
func (s *Service) dropEnded(ctx context.Context) (next time.Time, err error) {
	all, err := s.deps.Store.List(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, v := range all {
		policy, err := egress.Parse(v.Egress)
		if err != nil {
			continue // who uses it is told
		}
		end := policy.End()
		if !end.IsZero() && !s.now().Before(end) {
			if v, err = s.update(ctx, v.ID, s.withoutEnded); err != nil {
				return time.Time{}, err
			}
			s.pokeOne(v.ID)
			if policy, err = egress.Parse(v.Egress); err != nil {
				return time.Time{}, err
			}
			end = policy.End()
		}
		if !end.IsZero() && (next.IsZero() || end.Before(next)) {
			next = end
		}
	}
	return next, nil
}

func (s *Service) withoutEnded(v *VM) error {
	policy, err := egress.Parse(v.Egress)
	v.Egress = policy.At(s.now()).String()
	return err
}

// pokeOne has the machine of a VM told what is new, if it is alive.
func (s *Service) pokeOne(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.live[id]; w != nil {
		w.poke()
	}
}
