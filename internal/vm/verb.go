package vm

import (
	"context"

	"github.com/bangervm/banger/internal/fault"
)

// verb is what is being done to one VM. Only one is, at a time.
type verb struct {
	name string
	done chan struct{}
}

// begin claims a VM for a verb until release is called. Busy when another verb
// has it. Verbs hold a VM only while they act on it, not while they wait for
// its guest.
func (s *Service) begin(v VM, name string) (release func(), err error) {
	release, under := s.claim(v.ID, name)
	if under != nil {
		return nil, fault.New(fault.Busy, "VM %s is busy: %s is in progress", v.Name, under.name).
			WithHint("try again when it is done")
	}
	return release, nil
}

// beginWhenFree is begin, but waits for the verb under way.
func (s *Service) beginWhenFree(ctx context.Context, id, name string) (release func(), err error) {
	for {
		release, under := s.claim(id, name)
		if under == nil {
			return release, nil
		}
		select {
		case <-under.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Service) claim(id, name string) (release func(), under *verb) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if under := s.verbs[id]; under != nil {
		return nil, under
	}
	mine := &verb{name: name, done: make(chan struct{})}
	s.verbs[id] = mine
	return func() {
		s.mu.Lock()
		delete(s.verbs, id)
		s.mu.Unlock()
		close(mine.done)
	}, nil
}

// claimed resolves a name, begins the verb, and reads the VM as it is then.
func (s *Service) claimed(ctx context.Context, ref, name string) (VM, func(), error) {
	v, err := s.Get(ctx, ref)
	if err != nil {
		return VM{}, nil, err
	}
	release, err := s.begin(v, name)
	if err != nil {
		return VM{}, nil, err
	}
	v, err = s.byID(ctx, v.ID)
	if err != nil {
		release()
		return VM{}, nil, err
	}
	return v, release, nil
}
