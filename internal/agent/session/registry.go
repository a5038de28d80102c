package session

import (
	"crypto/rand"
	"regexp"
	"slices"
	"sync"

	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// maxRunning bounds the sessions that run at a time, maxEnded those that have
	// ended and are remembered.
	maxRunning = 64
	maxEnded   = 64
	// maxKept bounds the output that is kept of ended sessions together, in bytes.
	maxKept = 64 << 20
	idRule  = `^[0-9a-f]{8,32}$`
)

// Registry is all sessions of this agent. They end with it.
type Registry struct {
	agent string
	id    *regexp.Regexp

	mu       sync.Mutex
	sessions []*Session // oldest first
	starting map[string]chan struct{}
	watchers map[*watcher]struct{}
}

// New makes a Registry without sessions.
func New() *Registry {
	return &Registry{
		agent: rand.Text(), id: regexp.MustCompile(idRule),
		starting: map[string]chan struct{}{}, watchers: map[*watcher]struct{}{},
	}
}

// Start starts a session, or returns the one that has the ID. The error is an
// *Error, or one of this system.
func (r *Registry) Start(req Request) (agentrpc.SessionInfo, error) {
	if !r.id.MatchString(req.ID) {
		return agentrpc.SessionInfo{}, fail(Invalid, "%q is not a session ID", req.ID)
	}
	present, release, err := r.reserve(req.ID)
	if err != nil {
		return agentrpc.SessionInfo{}, err
	}
	if present != nil {
		return present.Info(), nil
	}
	defer release()
	if req.KeepBytes == 0 {
		req.KeepBytes = agentrpc.DefaultKeep
	}
	s, err := launch(req, func() { r.changed(req.ID) })
	if err != nil {
		return agentrpc.SessionInfo{}, err
	}
	r.mu.Lock()
	r.sessions = append(r.sessions, s)
	r.mu.Unlock()
	r.prune()
	r.changed(req.ID)
	return s.Info(), nil
}

// reserve waits for a start of the same session, and makes place for this one.
func (r *Registry) reserve(id string) (present *Session, release func(), err error) {
	for {
		r.mu.Lock()
		if s := r.find(id); s != nil {
			r.mu.Unlock()
			return s, nil, nil
		}
		if under, ok := r.starting[id]; ok {
			r.mu.Unlock()
			<-under
			continue
		}
		if running := r.running() + len(r.starting); running >= maxRunning {
			r.mu.Unlock()
			return nil, nil, fail(Busy, "%d sessions are already running; the limit is %d", running, maxRunning)
		}
		done := make(chan struct{})
		r.starting[id] = done
		r.mu.Unlock()
		return nil, func() {
			r.mu.Lock()
			delete(r.starting, id)
			r.mu.Unlock()
			close(done)
		}, nil
	}
}

func (r *Registry) running() int {
	n := 0
	for _, s := range r.sessions {
		if !s.isOver() {
			n++
		}
	}
	return n
}

func (s *Session) isOver() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

func (r *Registry) find(id string) *Session {
	for _, s := range r.sessions {
		if s.id == id {
			return s
		}
	}
	return nil
}

// Get returns a session by its ID.
func (r *Registry) Get(id string) (*Session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.find(id); s != nil {
		return s, nil
	}
	return nil, fail(NotFound, "the agent has no session %.40q", id)
}

// Remove forgets a session that has ended. One that is not known is no error.
func (r *Registry) Remove(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.find(id)
	switch {
	case s == nil:
		return nil
	case !s.isOver():
		return fail(Conflict, "the session is still running")
	}
	r.sessions = slices.DeleteFunc(r.sessions, func(x *Session) bool { return x == s })
	s.forget()
	return nil
}

// prune forgets the sessions that ended longest ago, and the output of others,
// beyond the bounds.
func (r *Registry) prune() {
	r.mu.Lock()
	defer r.mu.Unlock()
	ended, kept := 0, int64(0)
	for i, s := range slices.Backward(r.sessions) {
		if !s.isOver() {
			continue
		}
		ended++
		kept += s.kept()
		if kept > maxKept {
			s.forget()
		}
		if ended > maxEnded {
			s.forget()
			r.sessions = slices.Delete(r.sessions, i, i+1)
		}
	}
}

// List returns all sessions, oldest first.
func (r *Registry) List() agentrpc.SessionEvent {
	r.mu.Lock()
	sessions := slices.Clone(r.sessions)
	r.mu.Unlock()
	ev := agentrpc.SessionEvent{Agent: r.agent, Snapshot: true, Sessions: []agentrpc.SessionInfo{}}
	for _, s := range sessions {
		ev.Sessions = append(ev.Sessions, s.Info())
	}
	return ev
}

// watcher is told which sessions have changed.
type watcher struct {
	changed []string
	wake    chan struct{} // holds one
}

// Watch calls tell with all sessions, and then with those that change, until
// done is closed or tell returns an error.
func (r *Registry) Watch(done <-chan struct{}, tell func(agentrpc.SessionEvent) error) error {
	w := &watcher{wake: make(chan struct{}, 1)}
	r.mu.Lock()
	r.watchers[w] = struct{}{}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.watchers, w)
		r.mu.Unlock()
	}()
	if err := tell(r.List()); err != nil {
		return err
	}
	for {
		select {
		case <-done:
			return nil
		case <-w.wake:
		}
		ev := agentrpc.SessionEvent{Agent: r.agent, Sessions: []agentrpc.SessionInfo{}}
		r.mu.Lock()
		ids := w.changed
		w.changed = nil
		r.mu.Unlock()
		for _, id := range ids {
			if s, err := r.Get(id); err == nil {
				ev.Sessions = append(ev.Sessions, s.Info())
			}
		}
		if len(ev.Sessions) == 0 { // told already, or gone
			continue
		}
		if err := tell(ev); err != nil {
			return err
		}
	}
}

// changed tells the watchers.
func (r *Registry) changed(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.watchers {
		if !slices.Contains(w.changed, id) {
			w.changed = append(w.changed, id)
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
