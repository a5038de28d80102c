package session

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/vm"
)

// liveTimeout bounds the question how running sessions are: without an answer the
// record is shown.
const liveTimeout = 3 * time.Second

// Deps is all that a Service needs. Now and Log may be nil.
type Deps struct {
	Store  Store
	VMs    VMs
	Guests Guests
	Pipes  Pipes
	Events Events // may be nil
	Now    func() time.Time
	Log    *slog.Logger
}

// Service is the life of sessions. It is safe for concurrent use. A session is
// named by its name, or by a unique prefix of its id, within its VM.
type Service struct {
	deps Deps
	log  *slog.Logger

	ctx    context.Context // of the followers; ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	recording sync.Mutex // held from the write of a record until Events has heard of it

	mu        sync.Mutex
	followers map[string]*follower           // by VM id
	starting  map[string]bool                // ids of sessions whose start is under way here
	attention map[string]map[string]attended // of VMs that are alive, by VM id and session id
	changed   chan struct{}                  // closed, and made again, at every change of a record
	closed    bool
}

// New returns a Service. Let it know of VMs by VMChanged, call Reconcile once
// VMs are reconciled, and Close at the end.
func New(deps Deps) *Service {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{
		deps: deps, log: deps.Log, ctx: ctx, cancel: cancel,
		attention: map[string]map[string]attended{},
		followers: map[string]*follower{}, starting: map[string]bool{}, changed: make(chan struct{}),
	}
}

// Close ends the following of agents. Sessions run on. No method may be called
// after it.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
}

func (s *Service) now() time.Time { return s.deps.Now().UTC() }

// update writes a record even when ctx has ended, and tells who waits.
func (s *Service) update(ctx context.Context, id string, change func(*Session) error) (Session, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), vm.RecordTimeout)
	defer cancel()
	s.recording.Lock()
	defer s.recording.Unlock()
	var before Session
	sess, err := s.deps.Store.Update(ctx, id, func(now *Session) error {
		before = *now
		return change(now)
	})
	if err != nil {
		return sess, err
	}
	s.tell()
	sess = s.heeded(sess)
	if s.deps.Events != nil && !sess.onlyCounts(before) {
		s.deps.Events.SessionChanged(sess)
	}
	return sess, nil
}

// insertRecord adds a record.
func (s *Service) insertRecord(ctx context.Context, sess Session) error {
	s.recording.Lock()
	defer s.recording.Unlock()
	if err := s.deps.Store.Insert(ctx, sess); err != nil {
		return err
	}
	s.tell()
	if s.deps.Events != nil {
		s.deps.Events.SessionCreated(sess)
	}
	return nil
}

// forget removes a record.
func (s *Service) forget(ctx context.Context, sess Session) error {
	s.recording.Lock()
	defer s.recording.Unlock()
	if err := s.deps.Store.Delete(ctx, sess.ID); err != nil {
		return err
	}
	s.unattend(sess.VMID, sess.ID)
	s.tell()
	if s.deps.Events != nil {
		s.deps.Events.SessionDeleted(sess)
	}
	return nil
}

func (s *Service) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Service) change() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// truth is what a record means now: a session does not outlive its VM's start.
func (s *Service) truth(sess Session, v vm.VM) Session {
	switch {
	case v.State == vm.Suspended && sess.StartID == v.StartID: // it goes on with its VM
	case !v.State.Alive():
		sess.lose(lostWith(v), s.now())
	case sess.StartID != v.StartID:
		sess.lose("the VM was started again", s.now())
	}
	return sess
}

func lostWith(v vm.VM) string {
	why := "the VM ended while the session ran"
	if v.ExitReason != "" {
		why += ": " + v.ExitReason
	}
	return why
}
