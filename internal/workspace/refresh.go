package workspace

import (
	"context"
	"sync"

	"github.com/bangervm/banger/internal/vm"
)

// flight is a measurement that several wait for.
type flight struct {
	done chan struct{}
	err  error
}

// Refresh is Look for many who ask at once: they share one look, which begins
// after each of them has asked. It waits until ctx ends; the look goes on.
func (s *Service) Refresh(ctx context.Context, v vm.VM) error {
	if v.State != vm.Running {
		return nil
	}
	if _, found, err := s.Find(ctx, v.ID); err != nil || !found {
		return err
	}
	f := s.launch(v)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// launch begins a measurement, or finds one that has not begun to read: what
// one under way has read already may have changed since.
func (s *Service) launch(v vm.VM) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.flights[v.ID]; f != nil {
		return f
	}
	f := &flight{done: make(chan struct{})}
	s.flights[v.ID] = f
	s.flying.Go(func() {
		depart := sync.OnceFunc(func() {
			s.mu.Lock()
			delete(s.flights, v.ID)
			s.mu.Unlock()
		})
		f.err = s.look(s.ctx, v, measureLimit, false, depart)
		depart()
		close(f.done)
	})
	return f
}
