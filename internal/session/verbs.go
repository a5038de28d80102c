package session

import (
	"context"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/vm"
)

// reachable finds a VM whose agent may answer.
func (s *Service) reachable(ctx context.Context, name string) (vm.VM, error) {
	v, err := s.deps.VMs.Get(ctx, name)
	if err != nil {
		return vm.VM{}, err
	}
	return v, v.Reachable(vm.Starting, vm.Running, vm.Stopping)
}

// List returns a VM's sessions, oldest first, as they are now.
func (s *Service) List(ctx context.Context, vmName string) ([]Session, error) {
	v, err := s.deps.VMs.Get(ctx, vmName)
	if err != nil {
		return nil, err
	}
	return s.list(ctx, v)
}

func (s *Service) list(ctx context.Context, v vm.VM) ([]Session, error) {
	all, err := s.deps.Store.List(ctx, v.ID)
	if err != nil {
		return nil, err
	}
	open := false
	for i := range all {
		all[i] = s.heeded(s.truth(all[i], v))
		open = open || all[i].State.Open()
	}
	if open && v.State == vm.Running {
		s.enliven(ctx, v, all)
	}
	return all, nil
}

// enliven adds what the agent knows of open sessions to what is shown. Nothing
// is stored.
func (s *Service) enliven(ctx context.Context, v vm.VM, all []Session) {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	reports, err := s.deps.Guests.ListSessions(ctx, v.ID)
	if err != nil {
		return // the record is what is known
	}
	for _, r := range reports {
		for i := range all {
			if all[i].ID == r.ID && all[i].State.Open() {
				all[i].apply(r, s.now())
				all[i].Attention = s.lively(all[i], r)
			}
		}
	}
}

// Current returns the sessions of all VMs that may still run, as they are known without
// asking a guest.
func (s *Service) Current(ctx context.Context) ([]Session, error) {
	all, err := s.deps.Store.Open(ctx)
	for i := range all {
		all[i] = s.heeded(all[i])
	}
	return all, err
}

// Get returns one session as it is now.
func (s *Service) Get(ctx context.Context, vmName, name string) (Session, error) {
	_, sess, err := s.find(ctx, vmName, name)
	return sess, err
}

// find returns a VM and a session in it: NotFound, or Invalid when an id prefix
// is ambiguous.
func (s *Service) find(ctx context.Context, vmName, name string) (vm.VM, Session, error) {
	v, err := s.deps.VMs.Get(ctx, vmName)
	if err != nil {
		return vm.VM{}, Session{}, err
	}
	all, err := s.list(ctx, v)
	if err != nil {
		return vm.VM{}, Session{}, err
	}
	sess, err := pick(v, all, name)
	return v, sess, err
}

func pick(v vm.VM, all []Session, name string) (Session, error) {
	var found []Session
	for _, sess := range all {
		if sess.Name == name {
			return sess, nil
		}
		if name != "" && strings.HasPrefix(sess.ID, name) {
			found = append(found, sess)
		}
	}
	switch len(found) {
	case 0:
		return Session{}, fault.New(fault.NotFound, "VM %s has no session %q", v.Name, plain.Value(name)).
			Try(act.SessionList.On(v.Name))
	case 1:
		return found[0], nil
	default:
		return Session{}, fault.New(fault.Invalid, "ID prefix %q is ambiguous: %d sessions have it", plain.Value(name), len(found)).
			WithHint("give a name or more of the ID")
	}
}

// Reach returns a session whose agent can be asked about it. Conflict when its
// guest is gone, and with it what the session wrote.
func (s *Service) Reach(ctx context.Context, vmName, name string) (Session, error) {
	v, err := s.deps.VMs.Get(ctx, vmName)
	if err != nil {
		return Session{}, err
	}
	all, err := s.deps.Store.List(ctx, v.ID)
	if err != nil {
		return Session{}, err
	}
	sess, err := pick(v, all, name)
	if err != nil {
		return Session{}, err
	}
	sess = s.truth(sess, v)
	switch {
	case sess.State == Failed:
		return Session{}, fault.New(fault.Conflict, "session %s was never started: %s", sess.Name, sess.LastError)
	case sess.State == Lost:
		return Session{}, fault.New(fault.Conflict, "session %s is lost, and so is its output: %s", sess.Name, sess.LastError)
	case sess.StartID != v.StartID || !v.State.Alive() && v.State != vm.Suspended:
		return Session{}, fault.New(fault.Conflict, "session %s ended with its VM, and its output is lost", sess.Name)
	}
	_, err = s.reachable(ctx, v.ID)
	return sess, err
}

// Wait returns the session once it has ended.
func (s *Service) Wait(ctx context.Context, vmName, name string) (Session, error) {
	id := ""
	for {
		changed := s.change()
		v, err := s.deps.VMs.Get(ctx, vmName)
		if err != nil {
			return Session{}, err
		}
		vmName = v.ID
		all, err := s.deps.Store.List(ctx, v.ID)
		if err != nil {
			return Session{}, err
		}
		if id != "" {
			name = id
		}
		sess, err := pick(v, all, name)
		if err != nil {
			return Session{}, err
		}
		id = sess.ID
		if sess = s.truth(sess, v); !sess.State.Open() {
			return sess, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Session{}, ctx.Err()
		}
	}
}

// Send writes p, at most 64 KiB, to a session's stdin as one piece, and ends
// the input then if eof is set.
func (s *Service) Send(ctx context.Context, vmName, name string, p []byte, eof bool) error {
	sess, err := s.Reach(ctx, vmName, name)
	if err != nil {
		return err
	}
	if !sess.State.Open() {
		return ended(sess)
	}
	return s.deps.Pipes.SendSession(ctx, sess.VMID, sess.ID, p, eof)
}

func ended(sess Session) error {
	return fault.New(fault.Conflict, "session %s has ended (%s)", sess.Name, sess.State)
}

// Read returns output of a session.
func (s *Service) Read(ctx context.Context, vmName, name string, req OutputRequest) (Output, error) {
	sess, err := s.Reach(ctx, vmName, name)
	if err != nil {
		return Output{}, err
	}
	return s.deps.Pipes.ReadSession(ctx, sess.VMID, sess.ID, req)
}
