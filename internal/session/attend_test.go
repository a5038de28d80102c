package session_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/vm"
)

// told is a session.Events that finds each event to be what the store has, and wakes
// who waits for more.
type told struct {
	t     *testing.T
	store *memory
	mu    sync.Mutex
	all   []string
	more  chan struct{}
}

func newTold(t *testing.T, store *memory) *told {
	return &told{t: t, store: store, more: make(chan struct{})}
}

func (l *told) SessionCreated(s session.Session) { l.note("created", s, true) }
func (l *told) SessionChanged(s session.Session) { l.note("changed", s, true) }
func (l *told) SessionDeleted(s session.Session) { l.note("deleted", s, false) }

func (l *told) note(what string, s session.Session, want bool) {
	stored := false
	all, _ := l.store.List(context.Background(), s.VMID)
	for _, now := range all {
		stored = stored || now.ID == s.ID && now.State == s.State
	}
	if stored != want {
		l.t.Errorf("%s %s %s is not what is stored", what, s.Name, s.State)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", what, s.State, s.Attention.State, s.Attention.Text)))
	close(l.more)
	l.more = make(chan struct{})
}

// until waits for an event, or for several in their order.
func (l *told) until(want string) {
	l.t.Helper()
	deadline := time.After(limit)
	for {
		l.mu.Lock()
		more, all := l.more, strings.Join(l.all, "; ")
		l.mu.Unlock()
		if strings.Contains(all+";", want+";") {
			return
		}
		select {
		case <-more:
		case <-deadline:
			l.t.Fatalf("no %q in %s", want, all)
		}
	}
}

func (l *told) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

func attending(t *testing.T) (*harness, *told) {
	t.Helper()
	h := newHarness(t)
	h.svc.Close()
	l := newTold(t, h.store)
	h.svc = session.New(session.Deps{Store: h.store, VMs: h.vms, Guests: h.agent, Pipes: h.agent, Events: l})
	t.Cleanup(h.svc.Close)
	h.svc.VMChanged(h.vms.v)
	return h, l
}

func TestAttentionIsToldWhenItChanges(t *testing.T) {
	h, l := attending(t)
	s := h.start("agent")
	signals := func(sig session.Signals) { h.agent.change(s.ID, func(r *session.Report) { r.Signals = &sig }) }
	signals(session.Signals{Active: true})
	l.until("changed running working")
	signals(session.Signals{Notice: &session.Notice{Text: "which one?", At: time.Now()}})
	l.until("changed running needs_input which one?")
	writes := h.store.written()
	if name, a, ok := h.svc.VMAttention(h.vms.v.ID); !ok || name != "agent" || a.State != session.NeedsInput {
		t.Errorf("the VM: %s %+v %v", name, a, ok)
	}
	if all, err := h.svc.Current(t.Context()); err != nil || len(all) != 1 || all[0].Attention.State != session.NeedsInput {
		t.Errorf("current: %+v, %v", all, err)
	}
	if got, err := h.svc.Get(t.Context(), "box", "agent"); err != nil || got.Attention.Text != "which one?" {
		t.Errorf("get: %+v, %v", got, err)
	}
	signals(session.Signals{Said: &session.Said{State: "idle", At: time.Now()}})
	l.until("changed running idle")
	if n := h.store.written(); n != writes {
		t.Errorf("attention was stored: %d writes", n-writes)
	}
	h.agent.change(s.ID, func(r *session.Report) { r.Exited = true })
	l.until("changed exited done")
	if _, a, ok := h.svc.VMAttention(h.vms.v.ID); !ok || a.State != session.Done {
		t.Errorf("after the end: %+v %v", a, ok)
	}
	if err := h.svc.Remove(t.Context(), "box", "agent"); err != nil {
		t.Fatal(err)
	}
	l.until("deleted exited done")
	if _, _, ok := h.svc.VMAttention(h.vms.v.ID); ok {
		t.Error("a session that is forgotten counts")
	}
}

func TestAttentionOfAVMEndsWithIt(t *testing.T) {
	h, l := attending(t)
	s := h.start("agent")
	h.agent.change(s.ID, func(r *session.Report) { r.Signals = &session.Signals{Active: true} })
	l.until("changed running working")
	h.setVM(func(v *vm.VM) { v.State = vm.Stopped })
	l.until("changed lost done the VM ended while the session ran")
	if _, a, ok := h.svc.VMAttention(h.vms.v.ID); ok {
		t.Errorf("a VM that has ended has %+v", a)
	}
}

// A guest that changes its signals all the time is told of at a bounded rate.
func TestHostileSignalsAreBounded(t *testing.T) {
	h, l := attending(t)
	s := h.start("agent")
	before, began := l.count(), time.Now()
	for i := range 60 {
		h.agent.change(s.ID, func(r *session.Report) {
			r.Signals = &session.Signals{Notice: &session.Notice{Text: fmt.Sprint(i), At: time.Now()}}
		})
	}
	l.until("changed running needs_input 59")
	if n, most := l.count()-before, int(time.Since(began)/(400*time.Millisecond))+3; n > most {
		t.Errorf("%d events in %s", n, time.Since(began))
	}
}

// TestWhatSaidThatItWorksIsIdleInTheEnd: a program that was interrupted says nothing more.
func TestWhatSaidThatItWorksIsIdleInTheEnd(t *testing.T) {
	h, l := attending(t)
	s := h.start("agent")
	h.agent.change(s.ID, func(r *session.Report) {
		r.Signals = &session.Signals{Said: &session.Said{State: "working", At: time.Now().Add(-time.Minute + 500*time.Millisecond)}}
	})
	l.until("changed running working; changed running idle")
}
