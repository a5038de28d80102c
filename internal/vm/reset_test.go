package vm_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestResetKeepsWorkThatNoExportHas(t *testing.T) {
	h := newHarness(t)
	w := &work{unsaved: "has unexported work in /srv/repo"}
	h.deps.Workspaces = w
	h.restartDaemon(func() {})
	h.create("web", true)
	_, err := h.svc.Reset(t.Context(), "web", false, quiet)
	wantFault(t, err, fault.Conflict, "VM web has unexported work in /srv/repo")
	if hint := fault.HintOf(err).String(); hint != "workspace export web, or vm reset web (discard_work) to discard it" {
		t.Errorf("hint %q", hint)
	}
	if v := h.get("web"); v.State != vm.Running || v.ResetPending {
		t.Errorf("it is %s, reset pending %v; want neither stopped nor reset", v.State, v.ResetPending)
	}
	if diff := cmp.Diff([]string{"/root", "/home"}, w.kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}

	w.unsaved, w.unsavedStopped = "", "has changes in 1 file" // done between the look and the stop
	_, err = h.svc.Reset(t.Context(), "web", false, quiet)
	wantFault(t, err, fault.Conflict, "changes in 1 file")
	if hint := fault.HintOf(err).String(); !strings.HasPrefix(hint, "vm start web, then ") {
		t.Errorf("hint %q", hint)
	}
	if v := h.get("web"); v.State != vm.Stopped || v.ResetPending {
		t.Errorf("it is %s, reset pending %v; want stopped, and not reset", v.State, v.ResetPending)
	}
	if v, err := h.svc.Reset(t.Context(), "web", true, quiet); err != nil || !v.ResetPending {
		t.Errorf("with discardWork: %+v, %v", v, err)
	}
}

// The work is looked at while the guest can still tell, also that of a paused one.
func TestAStopLooksAtTheWorkFirst(t *testing.T) {
	h := newHarness(t)
	w := &work{}
	h.deps.Workspaces = w
	h.restartDaemon(func() {})
	h.create("web", true)
	stop := func(timeout time.Duration) {
		t.Helper()
		if _, err := h.svc.Stop(t.Context(), "web", timeout, quiet); err != nil {
			t.Fatal(err)
		}
	}
	stop(time.Second)
	stop(time.Second) // it does not run
	for _, timeout := range []time.Duration{time.Second, 0} {
		if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
			t.Fatal(err)
		}
		if _, err := h.svc.Pause(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		stop(timeout) // by 0 it is ended at once
	}
	if diff := cmp.Diff([]vm.State{vm.Running, vm.Running}, w.stopping); diff != "" {
		t.Errorf("looks (-want +got):\n%s", diff)
	}
	if w.ending != 1 {
		t.Errorf("told %d times of an end without a look, want once", w.ending)
	}
}

func TestResetHappensOnceAtTheNextStart(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	if v, err := h.svc.Reset(t.Context(), "web", false, quiet); err != nil || !v.ResetPending || v.State != vm.Stopped {
		t.Errorf("Reset = %+v, %v", v, err)
	}
	h.machines.atStart = func(m *fakeMachine) { m.exit(vm.ReasonGuestFailed, true) }
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err == nil {
		t.Error("Start succeeded")
	}
	if !h.get("web").ResetPending {
		t.Error("the reset is forgotten though the guest did not come up")
	}
	h.machines.atStart = nil
	if v, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil || v.ResetPending {
		t.Errorf("Start = %+v, %v", v, err)
	}
	if !h.machines.lastSpec(t).Guest.Reset {
		t.Error("the guest was not told to reset")
	}
	if v, err := h.svc.Reset(t.Context(), "web", false, quiet); err != nil || v.State != vm.Running || v.ResetPending {
		t.Errorf("Reset of a running VM = %+v, %v", v, err)
	}
	if !h.machines.lastSpec(t).Guest.Reset {
		t.Error("the running guest was not restarted with a reset")
	}
}
