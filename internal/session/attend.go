package session

import (
	"context"
	"time"
)

// attendPause is how long it is waited after signals of a guest were heard: a guest can
// change them all the time.
const attendPause = 500 * time.Millisecond

// attended is a session of a VM that is alive, and whether it needs somebody.
type attended struct {
	name string
	over bool // it runs no more
	// turn counts what was heard, and what was decided again without.
	turn int
	Attention
}

// VMAttention is which session of a VM needs somebody most, and how. False when it has
// none, or nothing is known. It asks no guest.
func (s *Service) VMAttention(vmID string) (name string, a Attention, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.attention[vmID] {
		if !ok || one.moreUrgent(a) {
			name, a, ok = one.name, one.Attention, true
		}
	}
	return name, a, ok
}

// attend hears the signals of an agent, and tells of sessions that need something else
// than before.
func (s *Service) attend(ctx context.Context, vmID, startID string, ev Event) error {
	all, err := s.deps.Store.List(ctx, vmID)
	if err != nil {
		return err
	}
	known := make(map[string]Session, len(all))
	for _, sess := range all {
		if sess.StartID == startID && sess.State.Open() {
			known[sess.ID] = sess
		}
	}
	for _, r := range ev.Reports {
		sess, ok := known[r.ID]
		if !ok || r.Exited || r.Signals == nil { // its end is recorded elsewhere; an older agent sees nothing
			continue
		}
		s.attendOne(sess, *r.Signals)
	}
	return nil
}

func (s *Service) attendOne(sess Session, sig Signals) {
	s.recording.Lock()
	defer s.recording.Unlock()
	now := sess.attention(sig, s.now())
	s.mu.Lock()
	before, ok := s.attention[sess.VMID][sess.ID]
	if ok && before.over {
		s.mu.Unlock()
		return
	}
	if ok && before.same(now) {
		now = before.Attention
	}
	s.keep(sess, now)
	turn := s.attention[sess.VMID][sess.ID].turn
	s.mu.Unlock()
	s.decideAgain(sess, sig, now, turn)
	if ok && before.Attention == now {
		return
	}
	if s.deps.Events != nil {
		sess.Attention = now
		s.deps.Events.SessionChanged(sess)
	}
}

// keep remembers what a session needs. The caller holds mu.
func (s *Service) keep(sess Session, a Attention) {
	if s.attention[sess.VMID] == nil {
		s.attention[sess.VMID] = map[string]attended{}
	}
	turn := s.attention[sess.VMID][sess.ID].turn + 1
	s.attention[sess.VMID][sess.ID] = attended{sess.Name, !sess.State.Open(), turn, a}
}

// decideAgain is for a session that works because it said so: if nothing more is heard of it,
// it is idle after a while.
func (s *Service) decideAgain(sess Session, sig Signals, a Attention, turn int) {
	if a.State != Working || sig.Active || sig.Said == nil {
		return
	}
	time.AfterFunc(sig.worksUntil(*sig.Said).Sub(s.now()), func() {
		s.mu.Lock()
		latest := !s.closed && s.attention[sess.VMID][sess.ID].turn == turn
		s.mu.Unlock()
		if latest {
			s.attendOne(sess, sig)
		}
	})
}

// heeded returns a session with what it needs, as far as that is known.
func (s *Service) heeded(sess Session) Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess.State.Open() {
		sess.Attention = s.attention[sess.VMID][sess.ID].Attention
		return sess
	}
	sess.Attention = sess.ended()
	if f := s.followers[sess.VMID]; f != nil && f.startID == sess.StartID {
		s.keep(sess, sess.Attention)
	}
	return sess
}

// unattend forgets one session of a VM, or all.
func (s *Service) unattend(vmID, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.attention[vmID], id)
	if id == "" || len(s.attention[vmID]) == 0 {
		delete(s.attention, vmID)
	}
}

// lively is what a session needs by what its agent has just said.
func (s *Service) lively(sess Session, r Report) Attention {
	switch {
	case !sess.State.Open():
		return sess.ended()
	case r.Signals == nil:
		return Attention{}
	}
	now := sess.attention(*r.Signals, s.now())
	if now.same(sess.Attention) {
		return sess.Attention
	}
	return now
}
