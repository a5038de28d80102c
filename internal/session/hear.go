package session

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/fault"
)

// begunSessions are the ids of a VM's sessions that its agent, asked from now
// on, must know. What is started later may be missing in an answer that is
// older, though it arrives last.
func (s *Service) begunSessions(ctx context.Context, vmID string) (map[string]bool, error) {
	all, err := s.deps.Store.List(ctx, vmID)
	begun := make(map[string]bool, len(all))
	for _, sess := range all {
		begun[sess.ID] = !s.isStarting(sess.ID)
	}
	return begun, err
}

// hear records what an event says. Only a session that had begun before the
// agent was asked is gone when the agent does not know it.
func (s *Service) hear(ctx context.Context, vmID, startID string, ev Event, begun map[string]bool) error {
	all, err := s.deps.Store.List(ctx, vmID)
	if err != nil {
		return err
	}
	reports := make(map[string]Report, len(ev.Reports))
	for _, r := range ev.Reports {
		reports[r.ID] = r
	}
	for _, sess := range all {
		if !sess.State.Open() || sess.StartID != startID {
			continue
		}
		report, known := reports[sess.ID]
		if !known && (!ev.Snapshot || !begun[sess.ID]) {
			continue
		}
		if err := s.record(ctx, sess.ID, report, known); err != nil {
			return err
		}
	}
	return nil
}

// record stores what an agent says of one session, or that it knows it not.
func (s *Service) record(ctx context.Context, id string, report Report, known bool) error {
	_, err := s.update(ctx, id, func(sess *Session) error {
		switch {
		case !sess.State.Open():
			return errUnchanged
		case known:
			before := *sess
			sess.apply(report, s.now())
			if sess.storedAs(before) {
				return errUnchanged
			}
		case sess.State == Starting:
			sess.State, sess.LastError, sess.EndedAt = Failed, "the guest did not start it", s.now()
		default:
			sess.lose("the guest rebooted or its agent was replaced; a session ends with its agent", s.now())
		}
		return nil
	})
	if errors.Is(err, errUnchanged) || errors.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

func (s *Service) isStarting(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starting[id]
}
