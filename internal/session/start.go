package session

import (
	"context"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/codingagent"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/vm"
)

// maxEnded is how many ended sessions of a VM are remembered.
const maxEnded = 100

// Start starts a command in a VM. When the guest lacks what it needs, the
// session is remembered as failed, with the diagnosis, which is the error too.
func (s *Service) Start(ctx context.Context, vmName string, req StartRequest) (Session, error) {
	if err := req.Validate(); err != nil {
		return Session{}, err
	}
	v, err := s.reachable(ctx, vmName)
	if err != nil {
		return Session{}, err
	}
	req.Credentials = codingagent.NeededBy(req.Command)
	sess, err := s.insert(ctx, v, req)
	if err != nil {
		return Session{}, err
	}
	defer s.begun(sess.ID)
	report, err := s.deps.Guests.StartSession(ctx, v.ID, sess.ID, req)
	if err == nil {
		sess, err = s.update(ctx, sess.ID, func(now *Session) error {
			now.apply(report, s.now())
			return nil
		})
		sess.Warning = plain.Line(report.Warning, maxText)
		s.prune(ctx, v.ID)
		return sess, err
	}
	if errors.Is(err, fault.Unavailable) || errors.Is(err, fault.Canceled) || ctx.Err() != nil {
		// Whether it was started is not known: the agent will say.
		s.begun(sess.ID)
		s.refollow(v.ID)
		return Session{}, err
	}
	_, recordErr := s.update(ctx, sess.ID, func(now *Session) error {
		if now.State.Open() {
			now.State, now.LastError, now.EndedAt = Failed, lastWords(err.Error()), s.now()
		}
		return nil
	})
	if recordErr != nil {
		return Session{}, recordErr
	}
	if errors.Is(err, fault.Busy) {
		return Session{}, fault.Advise(err, "%s, and %s", act.SessionList.On(v.Name), act.SessionStop.On(v.Name, ""))
	}
	if req.Credentials != nil && errors.Is(err, fault.PermissionDenied) {
		return Session{}, fault.Advise(err, "set one in the session's environment, place the file by [[files]] in config.toml, or log in in a session with a terminal")
	}
	return Session{}, fault.Advise(err, "%s", act.SessionShow.On(v.Name, sess.Name))
}

// begun ends the time in which only Start knows of the session.
func (s *Service) begun(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.starting, id)
}

// insert stores a new session. A name that nobody chose is made so that it is free.
func (s *Service) insert(ctx context.Context, v vm.VM, req StartRequest) (Session, error) {
	sess := Session{
		ID: ids.New(), VMID: v.ID, StartID: v.StartID, Name: req.Name, Command: req.Command, Mode: req.Mode, Dir: req.Dir,
		User: req.User, State: Starting, KeepBytes: req.KeepBytes, CreatedAt: s.now(),
	}
	s.mu.Lock()
	s.starting[sess.ID] = true
	s.mu.Unlock()
	for {
		if req.Name == "" {
			name, err := s.freeName(ctx, v.ID, req.Command[0])
			if err != nil {
				s.begun(sess.ID)
				return Session{}, err
			}
			sess.Name = name
		}
		err := s.insertRecord(ctx, sess)
		if err == nil {
			return sess, nil
		}
		if req.Name == "" && errors.Is(err, fault.Conflict) && ctx.Err() == nil {
			continue // somebody took it just now
		}
		if errors.Is(err, fault.Conflict) && s.forgetFailed(ctx, v.ID, req.Name) {
			continue
		}
		s.begun(sess.ID)
		return Session{}, fault.Advise(err, "%s, if it has ended, or choose another name", act.SessionDelete.On(v.Name, req.Name))
	}
}

// forgetFailed forgets a session that was never started, for another to have
// its name: whoever has read the diagnosis tries again.
func (s *Service) forgetFailed(ctx context.Context, vmID, name string) bool {
	all, err := s.deps.Store.List(ctx, vmID)
	if err != nil {
		return false
	}
	for _, sess := range all {
		if sess.Name == name && (sess.State == Failed || sess.State == Lost && sess.StartedAt.IsZero()) {
			return s.forget(ctx, sess) == nil
		}
	}
	return false
}

// freeName makes a name from a command: its program, and a number from 2 on.
func (s *Service) freeName(ctx context.Context, vmID, program string) (string, error) {
	all, err := s.deps.Store.List(ctx, vmID)
	if err != nil {
		return "", err
	}
	base := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, path.Base(program))
	base = strings.Trim(base, "-")
	if base = base[:min(len(base), 40)]; base == "" || ValidateName(base) != nil {
		base = "session"
	}
	taken := map[string]bool{}
	for _, sess := range all {
		taken[sess.Name] = true
	}
	name := base
	for n := 2; taken[name]; n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name, nil
}

// prune forgets the oldest ended sessions of a VM beyond the bound.
func (s *Service) prune(ctx context.Context, vmID string) {
	all, err := s.deps.Store.List(ctx, vmID)
	if err != nil {
		s.log.Warn("sessions not pruned", "vm", vmID, "error", err)
		return
	}
	ended := 0
	for _, sess := range slices.Backward(all) {
		if sess.State.Open() {
			continue
		}
		if ended++; ended <= maxEnded {
			continue
		}
		if err := s.forget(ctx, sess); err != nil {
			s.log.Warn("session not pruned", "session", sess.ID, "error", err)
		}
	}
}
