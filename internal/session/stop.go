package session

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// Stop ends a session: SIGTERM to its process group, and SIGKILL after timeout.
// One that has ended is left alone.
func (s *Service) Stop(ctx context.Context, vmName, name string, timeout time.Duration) (Session, error) {
	_, sess, err := s.find(ctx, vmName, name)
	if err != nil || !sess.State.Open() {
		return sess, err
	}
	if sess, err = s.Reach(ctx, vmName, sess.ID); err != nil {
		return Session{}, err
	}
	if err := s.ask(ctx, sess.ID, askedStop); err != nil {
		return Session{}, err
	}
	report, err := s.deps.Guests.StopSession(ctx, sess.VMID, sess.ID, timeout)
	if err != nil {
		return Session{}, err
	}
	return s.update(ctx, sess.ID, func(now *Session) error {
		now.apply(report, s.now())
		return nil
	})
}

// Kill sends a signal (name or number; empty: KILL) to a session's process group.
// KILL finds a session that has ended as it is to be, as Stop does; any other signal
// is Conflict then, since nobody gets it.
func (s *Service) Kill(ctx context.Context, vmName, name, signal string) (Session, error) {
	if signal == "" {
		signal = "KILL"
	}
	if !isSignal(signal) {
		return Session{}, vm.UnknownSignal(signal)
	}
	_, sess, err := s.find(ctx, vmName, name)
	if err != nil {
		return Session{}, err
	}
	if !sess.State.Open() && isKill(signal) {
		return sess, nil
	}
	if sess, err = s.Reach(ctx, vmName, sess.ID); err != nil {
		return Session{}, err
	}
	if !sess.State.Open() {
		return Session{}, ended(sess)
	}
	if err := s.ask(ctx, sess.ID, signalName(signal)); err != nil {
		return Session{}, err
	}
	if err := s.deps.Guests.SignalSession(ctx, sess.VMID, sess.ID, signal); err != nil {
		return Session{}, err
	}
	return s.Get(ctx, vmName, sess.ID)
}

// ask records what a user asks of a session before its guest is told, since its end may
// be heard of before the answer.
func (s *Service) ask(ctx context.Context, id, what string) error {
	_, err := s.update(ctx, id, func(now *Session) error {
		if !now.State.Open() || now.Asked == askedStop {
			return errUnchanged
		}
		now.Asked = what
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// isSignal reports whether text has the form of a signal's name or number. Which ones
// there are the guest knows.
func isSignal(text string) bool {
	const longest = len("SIGRTMIN+30")
	return len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '+' && r != '-'
	})
}

func isKill(signal string) bool {
	switch strings.ToUpper(signal) {
	case "KILL", "SIGKILL", "9":
		return true
	}
	return false
}

// Remove forgets a session that has ended, with its output.
func (s *Service) Remove(ctx context.Context, vmName, name string) error {
	v, sess, err := s.find(ctx, vmName, name)
	if err != nil {
		return err
	}
	if sess.State.Open() {
		return fault.New(fault.Conflict, "session %s is %s", sess.Name, sess.State).
			Try(act.SessionStop.On(v.Name, sess.Name))
	}
	if v.State == vm.Running && sess.StartID == v.StartID && sess.State == Exited {
		if err := s.deps.Guests.RemoveSession(ctx, v.ID, sess.ID); err != nil && !errors.Is(err, fault.NotFound) {
			s.log.Warn("the agent keeps a session's output", "session", sess.ID, "error", err)
		}
	}
	return s.forget(ctx, sess)
}
