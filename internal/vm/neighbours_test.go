package vm_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func TestNeighboursAreThoseOfAGroupThatLive(t *testing.T) {
	h := newHarness(t)
	for _, c := range []struct {
		name, group string
		network     vm.NetworkMode
		start       bool
	}{
		{"a", "red", vm.NetworkUser, true},
		{"b", "red", vm.NetworkUser, true},
		{"c", "red", vm.NetworkUser, false},
		{"d", "blue", vm.NetworkUser, true},
		{"e", "", vm.NetworkUser, true},
		{"f", "red", vm.NetworkNone, true},
	} {
		req := vm.CreateRequest{Name: &c.name, Network: c.network, Start: c.start}
		if c.group != "" {
			req.Labels = map[string]string{vm.GroupLabel: c.group}
		}
		if _, err := h.svc.Create(t.Context(), req, operation.Discard{}); err != nil {
			t.Fatal(err)
		}
	}
	h.settled("a", "all", "b")
	h.settled("b", "all", "a")
	h.settled("d", "all")
	h.settled("e", "all")

	if _, err := h.svc.Start(t.Context(), "c", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	h.settled("a", "all", "b", "c")
	h.settled("c", "all", "a", "b")

	relabel := func(name, group string) {
		if _, err := h.svc.Set(t.Context(), name, vm.Change{Labels: map[string]string{vm.GroupLabel: group}}); err != nil {
			t.Fatal(err)
		}
	}
	relabel("b", "blue") // while it runs
	h.settled("a", "all", "c")
	h.settled("b", "all", "d")
	h.settled("d", "all", "b")
	relabel("b", "")
	h.settled("b", "all")
	h.settled("d", "all")

	if err := h.svc.Delete(t.Context(), "c", vm.Removal{Force: true}, quiet); err != nil {
		t.Fatal(err)
	}
	h.settled("a", "all")
}

func TestOnlyLabelsOfARunningVMAreChanged(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	for field := range reflect.ValueOf(vm.Change{}).Fields() {
		if field.Name == "Labels" || field.Name == "Protected" {
			continue
		}
		change := vm.Change{Labels: map[string]string{"a": "b"}}
		value := reflect.New(field.Type.Elem())
		if field.Type.Kind() == reflect.Slice {
			value = reflect.MakeSlice(field.Type, 1, 1)
		}
		reflect.ValueOf(&change).Elem().FieldByIndex(field.Index).Set(value)
		_, err := h.svc.Set(t.Context(), "web", change)
		wantFault(t, err, fault.Conflict, "only its labels")
	}
	if v, err := h.svc.Set(t.Context(), "web", vm.Change{Labels: map[string]string{"a": "b"}}); err != nil || v.Labels["a"] != "b" {
		t.Errorf("Set gave %v, %v", v.Labels, err)
	}
}

// settled waits until the machine of a VM has this policy and these neighbours.
func (h *harness) settled(name, policy string, neighbours ...string) {
	h.t.Helper()
	m := h.machines.get(h.get(name).ID)
	if m == nil {
		h.t.Fatalf("VM %s has no machine", name)
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		gotPolicy, got := m.seen()
		slices.Sort(got)
		if gotPolicy == policy && slices.Equal(got, neighbours) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("VM %s stays with %q and %v; want %q and %v", name, gotPolicy, got, policy, neighbours)
		}
	}
}
