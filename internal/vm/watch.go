package vm

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// A monitor that neither answers nor is surely gone is asked again: soon, since
// it may be ending just now, and then less and less often.
const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// exitLinger bounds how long a monitor may take from its last event to its end.
const exitLinger = 5 * time.Second

// watch follows one start of a VM: it keeps what the monitor last said, and
// records what that means for the VM.
type watch struct {
	vmID    string
	startID string
	ended   chan struct{} // closed when the end is recorded, or could not be
	network networkSync
	// noConsole says that the start has no console log.
	noConsole bool
	group     string // of the VM; guarded by the Service's mu

	mu      sync.Mutex
	machine Machine
	status  Status
	readied int           // how often the guest became ready
	changed chan struct{} // closed, and made again, at every change
	leaving bool          // the monitor was asked to stop it
	exit    Exit          // valid once ended is closed
}

// track begins to watch a machine. The watch lives until the machine ends or
// the Service is closed.
func (s *Service) track(v VM, m Machine) *watch {
	w := &watch{
		vmID: v.ID, startID: v.StartID, noConsole: v.NoConsole, machine: m, group: v.Labels[GroupLabel], network: newNetworkSync(),
		ended: make(chan struct{}), changed: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if present := s.live[v.ID]; present != nil && present.startID == v.StartID {
		return present
	}
	s.live[v.ID] = w
	s.watchers.Go(func() { s.follow(s.ctx, w) })
	s.watchers.Go(func() { s.keepNetwork(s.ctx, w) })
	return w
}

// follow consumes the machine's events until its end is known and recorded.
func (s *Service) follow(ctx context.Context, w *watch) {
	defer func() {
		s.mu.Lock()
		if s.live[w.vmID] == w {
			delete(s.live, w.vmID)
		}
		s.mu.Unlock()
		close(w.ended)
	}()
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		exit, over := s.consume(ctx, w)
		if !over && ctx.Err() == nil {
			exit, over = s.lost(ctx, w)
		}
		if over {
			s.end(ctx, w, exit)
			return
		}
		pause := time.NewTimer(retry)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// consume applies events until there are no more. Over says that the machine
// has exited, as its last event tells. It goes on then until the monitor has
// hung up, so that the next start does not meet it.
func (s *Service) consume(ctx context.Context, w *watch) (exit Exit, over bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := w.current().Events(ctx)
	if err != nil {
		return Exit{}, false
	}
	var linger <-chan time.Time
	for {
		var st Status
		select {
		case next, ok := <-events:
			if !ok {
				return exit, over
			}
			st = next
		case <-linger:
			return exit, over
		}
		if st.StartID != w.startID {
			s.log.Warn("monitor of another start", "vm", w.vmID, "start", w.startID, "monitor_start", st.StartID)
			return s.exitOf(ctx, w.vmID, w.startID), true
		}
		if st.Phase == PhaseExited {
			w.publish(st)
			exit, over, linger = st.Exit, true, time.After(exitLinger)
			continue
		}
		s.recordStatus(ctx, w, st)
		s.tellNetwork(ctx, w, st)
		w.publish(st)
	}
}

// lost finds out what became of a machine whose events broke off.
func (s *Service) lost(ctx context.Context, w *watch) (exit Exit, over bool) {
	m, err := s.deps.Machines.Adopt(ctx, w.vmID)
	if err == nil {
		w.mu.Lock()
		w.machine = m
		w.mu.Unlock()
		w.poke()
		return Exit{}, false
	}
	if !errors.Is(err, fault.NotFound) {
		s.log.Warn("monitor does not answer", "vm", w.vmID, "error", err)
		return Exit{}, false
	}
	return s.exitOf(ctx, w.vmID, w.startID), true
}

// exitOf is how a start ended whose monitor is gone.
func (s *Service) exitOf(ctx context.Context, vmID, startID string) Exit {
	exit, err := s.deps.Machines.LastExit(ctx, vmID)
	if err == nil && exit.StartID == startID {
		return exit
	}
	if err != nil && !errors.Is(err, fault.NotFound) {
		s.log.Warn("exit of VM not readable", "vm", vmID, "error", err)
	}
	return Exit{
		StartID: startID, Reason: ReasonMonitorDied, Failed: true, At: s.now(),
		Message: "the VM's monitor process ended without a record; the VM ended with it",
	}
}

func (s *Service) end(ctx context.Context, w *watch, exit Exit) {
	w.mu.Lock()
	w.exit = exit
	w.mu.Unlock()
	if err := s.recordExit(ctx, w.vmID, w.startID, exit); err != nil {
		s.log.Error("end of VM not recorded", "vm", w.vmID, "reason", exit.Reason, "error", err)
		return
	}
	s.log.Info("VM ended", "vm", w.vmID, "reason", exit.Reason, "message", exit.Message)
}

func (w *watch) current() Machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.machine
}

func (w *watch) publish(st Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if st.Phase == PhaseReady && w.status.Phase != PhaseReady {
		w.readied++
	}
	w.status = st
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watch) snapshot() (Status, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status, w.changed
}

// leave marks a machine that was asked to stop, though it does not say so yet.
func (w *watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaving = true
}

func (w *watch) isLeaving() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leaving
}

// readyCount tells a guest that was ready and is so no more from one that
// never was.
func (w *watch) readyCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readied
}

// until waits for a status that satisfies enough. False means that the machine
// ended, or the watching did, before there was one.
func (w *watch) until(ctx context.Context, enough func(Status) bool) (bool, error) {
	for {
		st, changed := w.snapshot()
		if enough(st) {
			return true, nil
		}
		select {
		case <-changed:
		case <-w.ended:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// untilEnd waits for the end, and at most limit.
func (w *watch) untilEnd(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-w.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
