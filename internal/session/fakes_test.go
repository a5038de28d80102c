package session_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

const limit = 10 * time.Second

// memory is a session.Store.
type memory struct {
	mu     sync.Mutex
	all    []session.Session
	writes int // commits
}

func (m *memory) Insert(_ context.Context, s session.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.all {
		if other.VMID == s.VMID && other.Name == s.Name {
			return fault.New(fault.Conflict, "the VM has a session named %q already", s.Name)
		}
	}
	m.all = append(m.all, s)
	return nil
}

func (m *memory) List(_ context.Context, vmID string) ([]session.Session, error) {
	return m.some(func(s session.Session) bool { return s.VMID == vmID }), nil
}

func (m *memory) Open(context.Context) ([]session.Session, error) {
	return m.some(func(s session.Session) bool { return s.State.Open() }), nil
}

func (m *memory) some(which func(session.Session) bool) []session.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []session.Session
	for _, s := range m.all {
		if which(s) {
			out = append(out, s)
		}
	}
	return out
}

func (m *memory) Update(_ context.Context, id string, change func(*session.Session) error) (session.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, s := range m.all {
		if s.ID == id {
			if err := change(&s); err != nil {
				return session.Session{}, err
			}
			m.all[i] = s
			m.writes++
			return s, nil
		}
	}
	return session.Session{}, fault.New(fault.NotFound, "no session %s", id)
}

func (m *memory) Delete(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = slices.DeleteFunc(m.all, func(s session.Session) bool { return s.ID == id })
	return nil
}

// oneVM is a session.VMs with one VM.
type oneVM struct {
	mu sync.Mutex
	v  vm.VM
}

func (o *oneVM) Get(_ context.Context, name string) (vm.VM, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if name != o.v.Name && name != o.v.ID {
		return vm.VM{}, fault.New(fault.NotFound, "no VM named %q", name)
	}
	return o.v, nil
}

// agent is a session.Guests and session.Pipes: one guest's agent.
type agent struct {
	mu       sync.Mutex
	reports  []session.Report
	followed []func(session.Event) error
	cut      chan struct{}        // closed to break the event streams
	asked    session.StartRequest // the last
	warning  string
	startErr error
	// vanishes makes a start succeed in the guest though its answer is lost.
	vanishes bool
	// underway is called between the making of a snapshot and its arrival, and
	// heard after that.
	underway, heard func()
	sent            []string
	removed         []string
	signals         []string
}

func newAgent() *agent { return &agent{cut: make(chan struct{})} }

func (a *agent) StartSession(_ context.Context, _, id string, req session.StartRequest) (session.Report, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = req
	if a.startErr != nil && !a.vanishes {
		return session.Report{}, a.startErr
	}
	r := session.Report{ID: id, Dir: "/root", Warning: a.warning}
	a.reports = append(a.reports, r)
	return r, a.startErr
}

func (a *agent) ListSessions(context.Context, string) ([]session.Report, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.reports), nil
}

func (a *agent) FollowSessions(ctx context.Context, _ string, tell func(session.Event) error) error {
	a.mu.Lock()
	cut := a.cut
	reports := slices.Clone(a.reports)
	a.followed = append(a.followed, tell)
	underway, heard := a.underway, a.heard
	a.mu.Unlock()
	if underway != nil {
		underway()
	}
	if err := tell(session.Event{Snapshot: true, Reports: reports}); err != nil {
		return err
	}
	if heard != nil {
		heard()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-cut:
		return fault.New(fault.Unavailable, "cut")
	}
}

// change changes a session in the guest, and tells of it.
func (a *agent) change(id string, change func(*session.Report)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.reports {
		if a.reports[i].ID == id {
			change(&a.reports[i])
			for _, tell := range a.followed {
				_ = tell(session.Event{Reports: []session.Report{a.reports[i]}})
			}
		}
	}
}

// reboot forgets all sessions and breaks the event streams.
func (a *agent) reboot() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reports, a.followed = nil, nil
	close(a.cut)
	a.cut = make(chan struct{})
}

func (a *agent) StopSession(_ context.Context, _, id string, _ time.Duration) (session.Report, error) {
	a.change(id, func(r *session.Report) { r.Exited, r.ExitCode, r.Signal = true, 143, "TERM" })
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.reports {
		if r.ID == id {
			return r, nil
		}
	}
	return session.Report{}, fault.New(fault.NotFound, "no session %s", id)
}

func (a *agent) SignalSession(_ context.Context, _, _, signal string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.signals = append(a.signals, signal)
	return nil
}

func (a *agent) RemoveSession(_ context.Context, _, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removed = append(a.removed, id)
	return nil
}

func (a *agent) SendSession(_ context.Context, _, _ string, p []byte, _ bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, string(p))
	return nil
}

func (a *agent) ReadSession(context.Context, string, string, session.OutputRequest) (session.Output, error) {
	return session.Output{Data: []byte("out")}, nil
}

// harness is a Service on fakes, with a running VM.
type harness struct {
	t     *testing.T
	store *memory
	vms   *oneVM
	agent *agent
	svc   *session.Service
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{
		t: t, store: &memory{}, agent: newAgent(),
		vms: &oneVM{v: vm.VM{ID: "00000000000000aa", Name: "box", StartID: "start-1", State: vm.Running}},
	}
	h.serve()
	return h
}

// serve makes a Service, as a daemon does when it starts.
func (h *harness) serve() {
	h.svc = session.New(session.Deps{Store: h.store, VMs: h.vms, Guests: h.agent, Pipes: h.agent})
	svc := h.svc
	h.t.Cleanup(svc.Close)
	h.svc.VMChanged(h.vms.v)
	if err := h.svc.Reconcile(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// setVM changes the VM as its service would, and tells of it.
func (h *harness) setVM(change func(*vm.VM)) {
	h.vms.mu.Lock()
	change(&h.vms.v)
	v := h.vms.v
	h.vms.mu.Unlock()
	h.svc.VMChanged(v)
}

func (h *harness) start(name string) session.Session {
	h.t.Helper()
	s, err := h.svc.Start(h.t.Context(), "box", session.StartRequest{Name: name, Command: []string{"/bin/claude"}})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// recorded waits until the record satisfies enough.
func (h *harness) recorded(id string, enough func(session.Session) bool) session.Session {
	h.t.Helper()
	deadline := time.After(limit)
	for {
		all := h.store.some(func(s session.Session) bool { return s.ID == id })
		if len(all) == 1 && enough(all[0]) {
			return all[0]
		}
		select {
		case <-deadline:
			h.t.Fatalf("the record stays %+v", all)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}
