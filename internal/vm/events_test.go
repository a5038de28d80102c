package vm_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
)

// checker is a vm.Events that finds each event to be what the store has at that moment.
type checker struct {
	t     *testing.T
	store vm.Store

	mu   sync.Mutex
	seen []string
}

func (c *checker) VMCreated(v vm.VM) { c.stored("created", v) }
func (c *checker) VMChanged(v vm.VM) { c.stored("changed", v) }

func (c *checker) SnapshotChanged(v vm.VM, one snapshot.Snapshot, what vm.SnapshotHappening) {
	c.note(string(what)+" "+one.Name, v)
}

func (c *checker) PortsChanged(v vm.VM) { c.note("ports", v) }

func (c *checker) EgressHappened(v vm.VM, r vm.EgressRecord, missed int64) {
	c.note(fmt.Sprintf("%s %s, missed %d,", r.Event, r.Name, missed), v)
}

func (c *checker) VMDeleted(v vm.VM) {
	if found, err := c.store.Lookup(c.t.Context(), v.ID, 1); err != nil || len(found) > 0 {
		c.t.Errorf("%s was told of as deleted before it was: %v, %v", v.Name, found, err)
	}
	c.note("deleted", v)
}

func (c *checker) stored(what string, v vm.VM) {
	found, err := c.store.Lookup(c.t.Context(), v.ID, 1)
	if err != nil || len(found) != 1 {
		c.t.Errorf("%s %s is not stored: %v", what, v.Name, err)
		return
	}
	if diff := cmp.Diff(found[0], v); diff != "" {
		c.t.Errorf("%s: the store (-) is not what was told (+):\n%s", what, diff)
	}
	c.note(what, v)
}

func (c *checker) note(what string, v vm.VM) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, fmt.Sprintf("%s %s %s", what, v.Name, v.State))
}

func (c *checker) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.seen...)
}

func TestEventsComeAfterTheRecordAndInItsOrder(t *testing.T) {
	h := newHarness(t)
	c := &checker{t: t, store: h.store}
	h.deps.Events = c
	h.restartDaemon(func() {})
	h.create("web", true)
	labels := func(key, value string) {
		if _, err := h.svc.Set(t.Context(), "web", vm.Change{Labels: map[string]string{key: value}}); err != nil {
			t.Error(err)
		}
	}
	var racing sync.WaitGroup
	racing.Go(func() {
		for i := range 50 {
			labels("n", fmt.Sprint(i))
		}
	})
	racing.Go(func() {
		for i := range 50 { // as the monitor tells of it, beside the verbs
			h.machine().set(func(st *vm.Status) { st.Paused = i%2 == 0 })
		}
	})
	racing.Wait()
	if _, err := h.svc.SetEgress(t.Context(), "web", "none"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Stop(t.Context(), "web", 0, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Reset(t.Context(), "web", true, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	if err := h.svc.Delete(t.Context(), "web", vm.Removal{}, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	all := c.all()
	if all[0] != "created web stopped" || all[len(all)-1] != "deleted web stopped" {
		t.Errorf("first %s, last %s", all[0], all[len(all)-1])
	}
	text := strings.Join(all, "; ")
	for _, want := range []string{"changed web starting", "changed web running", "changed web stopped"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if len(all) < 55 {
		t.Errorf("only %d events", len(all))
	}
}

// A status with the same news again tells nothing.
func TestNetworkNewsAreToldOnce(t *testing.T) {
	h := newHarness(t)
	c := &checker{t: t, store: h.store}
	h.deps.Events = c
	h.restartDaemon(func() {})
	h.create("web", true)
	news := func(n int64, name string) vm.EgressNews {
		return vm.EgressNews{N: n, EgressRecord: vm.EgressRecord{Event: "deny", Name: name}}
	}
	tell := func(ports int64, all ...vm.EgressNews) {
		h.machine().set(func(st *vm.Status) { st.PortsChanged, st.EgressNews = ports, all })
	}
	until := func(want string) {
		t.Helper()
		h.eventually("web", func(vm.VM) bool { return strings.Contains(strings.Join(c.all(), "; "), want) })
	}
	tell(1, news(1, "a"))
	until("deny a, missed 0, web running")
	tell(1, news(1, "a"), news(2, "b"))
	until("deny b, missed 0, web running")
	tell(2, news(6, "f"), news(7, "g"))
	until("deny g, missed 0, web running")
	text := strings.Join(c.all(), "; ")
	if n := strings.Count(text, "deny a"); n != 1 {
		t.Errorf("a was told %d times", n)
	}
	if !strings.Contains(text, "deny f, missed 3,") || strings.Count(text, "ports web") != 2 {
		t.Errorf("got %s", text)
	}
}

// What is taken back was never more than an attempt, and is told of as gone.
func TestACreationThatFailsIsToldOfAsDeleted(t *testing.T) {
	h := newHarness(t)
	c := &checker{t: t, store: h.store}
	h.deps.Events = c
	h.restartDaemon(func() {})
	h.points.reset(0, func() error { return nil })
	h.create("other", false)
	h.points.reset(slices.Index(h.points.passed, "disk"), func() error { return errors.New("the disk is full") })
	name := "web"
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: &name}, operation.Discard{}); err == nil {
		t.Fatal("created on a full disk")
	}
	if got := strings.Join(c.all()[2:], "; "); got != "created web stopped; deleted web stopped" {
		t.Errorf("got %s", got)
	}
}
