package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// An agent that does not answer is asked again: soon, then less often.
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
	// lastEvents is how long a VM's last events may take to arrive after its end.
	lastEvents = time.Second
)

// errUnchanged says that there is nothing to store.
var errUnchanged = errors.New("unchanged")

// follower keeps the records of one start of a VM true.
type follower struct {
	startID string
	cancel  context.CancelFunc
	idle    chan struct{} // closed when it follows no more
	again   chan struct{} // holds one: ask for everything again
}

// VMChanged is to be called after every change of a VM's record. It does not
// wait for anything.
func (s *Service) VMChanged(v vm.VM) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	f := s.followers[v.ID]
	if f != nil && (f.startID != v.StartID || !v.State.Alive()) {
		delete(s.followers, v.ID)
		delete(s.attention, v.ID)
		ended := f
		s.work.Go(func() { s.settle(v, ended) })
		f = nil
	} else if f == nil && !v.State.Alive() {
		s.work.Go(func() { s.settle(v, nil) })
	}
	if f == nil && (v.State == vm.Running || v.State == vm.Paused) {
		ctx, cancel := context.WithCancel(s.ctx)
		f = &follower{startID: v.StartID, cancel: cancel, idle: make(chan struct{}), again: make(chan struct{}, 1)}
		s.followers[v.ID] = f
		s.work.Go(func() { s.follow(ctx, v.ID, f) })
	}
}

// settle records what became of the sessions of a start that is over, once
// the agent's last words have been heard.
func (s *Service) settle(v vm.VM, f *follower) {
	if f != nil {
		timer := time.NewTimer(lastEvents)
		defer timer.Stop()
		select {
		case <-f.idle:
		case <-timer.C:
		case <-s.ctx.Done():
		}
		f.cancel()
		<-f.idle
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), vm.RecordTimeout)
	defer cancel()
	if err := s.settleAll(ctx, v); err != nil && s.ctx.Err() == nil {
		s.log.Error("sessions of an ended VM not recorded", "vm", v.ID, "error", err)
	}
}

func (s *Service) settleAll(ctx context.Context, v vm.VM) error {
	all, err := s.deps.Store.List(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, sess := range all {
		if s.truth(sess, v).State == sess.State {
			continue
		}
		_, err := s.update(ctx, sess.ID, func(now *Session) error { *now = s.truth(*now, v); return nil })
		if err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// Reconcile records the end of the sessions whose VM ended while no daemon
// ran. VMs are reconciled before.
func (s *Service) Reconcile(ctx context.Context) error {
	open, err := s.deps.Store.Open(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, sess := range open {
		if seen[sess.VMID] {
			continue
		}
		seen[sess.VMID] = true
		v, err := s.deps.VMs.Get(ctx, sess.VMID)
		if errors.Is(err, fault.NotFound) {
			continue // it goes with its VM
		}
		if err == nil {
			err = s.settleAll(ctx, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// follow hears the agent until ctx ends.
func (s *Service) follow(ctx context.Context, vmID string, f *follower) {
	defer close(f.idle)
	turns := pace.New(eventBurst, eventPause)
	for retry := firstRetry; ctx.Err() == nil; retry = min(2*retry, lastRetry) {
		one, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		began, asked := time.Now(), false
		var asking sync.WaitGroup
		asking.Go(func() {
			select {
			case <-f.again:
				asked = true
				stop()
			case <-ended:
			}
		})
		begun, err := s.begunSessions(one, vmID)
		if err == nil {
			seen := s.inbox(one, 0, attendPause, func(ev Event) error { return s.attend(one, vmID, f.startID, ev) })
			in := s.inbox(one, countPause, 0, func(ev Event) error { return s.hear(one, vmID, f.startID, ev, begun) })
			err = s.deps.Guests.FollowSessions(one, vmID, func(ev Event) error {
				turns.Wait(one)
				return errors.Join(in.put(ev), seen.put(ev))
			})
			err = errors.Join(err, in.close(), seen.close())
		}
		close(ended)
		asking.Wait()
		stop()
		if asked || time.Since(began) > lastRetry { // not of an agent that only comes and goes
			retry = firstRetry
		}
		if ctx.Err() != nil {
			return
		}
		s.log.Debug("sessions not followed", "vm", vmID, "error", err)
		if !s.isFollower(vmID, f) {
			return // the VM has ended, and so have the events
		}
		_ = pace.Pause(ctx, retry) // the loop sees ctx's end
	}
}

func (s *Service) isFollower(vmID string, f *follower) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.followers[vmID] == f
}

// refollow asks a VM's agent for everything again.
func (s *Service) refollow(vmID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.followers[vmID]; f != nil {
		select {
		case f.again <- struct{}{}:
		default:
		}
	}
}
