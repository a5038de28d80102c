package vm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func until(t *testing.T, text string) vm.Until {
	t.Helper()
	u, err := vm.ParseUntil(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestParseUntil(t *testing.T) {
	for _, text := range []string{"", "ready", "stopped", "port:1", "port:65535"} {
		until(t, text)
	}
	for _, text := range []string{"started", "none", "port:", "port:0", "port:65536", "Stopped", "\xff"} {
		_, err := vm.ParseUntil(text)
		wantFault(t, err, fault.Invalid)
	}
}

// A VM that is as wanted already, or never will be, is not waited for.
func TestWaitForKnowsAtOnce(t *testing.T) {
	h := newHarness(t)
	h.create("off", false)
	h.create("web", true)
	for name, tc := range map[string]struct {
		vm, until string
		want      error
	}{
		"a stopped VM stops":         {"off", "stopped", nil},
		"a stopped VM is not ready":  {"off", "ready", fault.Conflict},
		"a stopped VM has no port":   {"off", "port:80", fault.Conflict},
		"a running VM is ready":      {"web", "ready", nil},
		"a VM that is not there":     {"nope", "stopped", fault.NotFound},
		"of an unknown VM, no ready": {"nope", "ready", fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := h.svc.WaitFor(t.Context(), tc.vm, until(t, tc.until))
			if !errors.Is(err, tc.want) || err == nil && v.Name != tc.vm {
				t.Errorf("WaitFor = %+v, %v, want %v", v, err, tc.want)
			}
		})
	}
}

func TestWaitForWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		until string
		then  func(m *fakeMachine)
		want  error
		state vm.State
	}{
		"ready":                 {"ready", (*fakeMachine).ready, nil, vm.Running},
		"stopped":               {"stopped", func(m *fakeMachine) { m.exit(vm.ReasonPoweroff, false) }, nil, vm.Stopped},
		"stopped, by a failure": {"stopped", func(m *fakeMachine) { m.exit(vm.ReasonVMMFailed, true) }, nil, vm.Failed},
		"ready, and it ends":    {"ready", func(m *fakeMachine) { m.exit(vm.ReasonGuestFailed, true) }, fault.Unavailable, vm.Failed},
		"a port, and it ends":   {"port:80", func(m *fakeMachine) { m.exit(vm.ReasonGuestFailed, true) }, fault.Unavailable, vm.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.machines.atStart = func(*fakeMachine) {} // it boots until it is told otherwise
			if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Start: true, Wait: vm.WaitNone()}, quiet); err != nil {
				t.Fatal(err)
			}
			short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := h.svc.WaitFor(short, "web", until(t, tc.until)); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("WaitFor, before anything happened: %v", err)
			}
			done := make(chan error)
			go func() {
				v, err := h.svc.WaitFor(context.WithoutCancel(t.Context()), "web", until(t, tc.until))
				if err == nil && v.State != tc.state {
					err = errors.New("it is " + string(v.State))
				}
				done <- err
			}()
			tc.then(h.machine())
			// It may have ended before it was waited for.
			err := <-done
			if ended := errors.Is(tc.want, fault.Unavailable) && errors.Is(err, fault.Conflict); !ended && !errors.Is(err, tc.want) {
				t.Errorf("WaitFor = %v, want %v", err, tc.want)
			}
			h.eventually("web", inState(tc.state))
		})
	}
}

// From the moment that a stop is under way, a pause would only keep the guest from going down.
func TestAVMThatStopsIsNotPaused(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	m := h.machine()
	m.slow = true
	stopped := make(chan error)
	go func() {
		_, err := h.svc.Stop(context.WithoutCancel(t.Context()), "web", time.Minute, quiet)
		stopped <- err
	}()
	h.eventually("web", func(vm.VM) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.stopAfter) > 0
	})
	for { // the stop may not have let go of the VM yet
		_, err := h.svc.Pause(t.Context(), "web")
		if !errors.Is(err, fault.Busy) {
			wantFault(t, err, fault.Conflict, "VM web is stopping")
			break
		}
	}
	m.exit(vm.ReasonStopped, false)
	if err := <-stopped; err != nil {
		t.Errorf("Stop = %v", err)
	}
}

func TestRescue(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	h.machines.atStart = func(m *fakeMachine) { m.exit(vm.ReasonGuestFailed, true) }
	_, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet)
	wantFault(t, err, fault.Unavailable, vm.ReasonGuestFailed)
	if hint := fault.HintOf(err).String(); hint != "vm logs web, or vm start web (rescue) to repair it" {
		t.Errorf("hint %q", hint)
	}
	h.machines.atStart = nil
	if v, err := h.svc.Rescue(t.Context(), "web", vm.WaitReady(), quiet); err != nil || v.State != vm.Running || !h.machines.lastSpec(t).Guest.Rescue {
		t.Errorf("Rescue = %+v, %v, spec %+v", v, err, h.machines.lastSpec(t).Guest)
	}
	_, err = h.svc.Rescue(t.Context(), "web", vm.WaitReady(), quiet)
	wantFault(t, err, fault.Conflict, "VM web is running")
	if _, err := h.svc.Restart(t.Context(), "web", time.Second, vm.WaitReady(), quiet); err != nil || h.machines.lastSpec(t).Guest.Rescue {
		t.Errorf("Restart: %v; a rescue is for one start", err)
	}
}

func TestAProtectedVMIsNotDeleted(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	if v, err := h.svc.Set(t.Context(), "web", vm.Change{Protected: new(true)}); err != nil || !v.Protected {
		t.Fatalf("Set = %+v, %v", v, err)
	}
	all := vm.Removal{Force: true, DiscardWork: true}
	for _, how := range []vm.Removal{{}, {Force: true}, {DiscardWork: true}, all} {
		err := h.svc.Delete(t.Context(), "web", how, quiet)
		wantFault(t, err, fault.Conflict, "VM web is protected")
		if hint := fault.HintOf(err).String(); hint != "vm unprotect web" {
			t.Errorf("hint %q", hint)
		}
	}
	if v := h.get("web"); v.State != vm.Running || v.Provisional {
		t.Errorf("it was touched: %+v", v)
	}
	if _, err := h.svc.Set(t.Context(), "web", vm.Change{Protected: new(false)}); err != nil {
		t.Fatal(err)
	}
	if err := h.svc.Delete(t.Context(), "web", all, quiet); err != nil {
		t.Fatal(err)
	}
	h.nothingLeft()
}

func TestSetChangesTheEnvironment(t *testing.T) {
	h := newHarness(t)
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Env: []string{"A=1", "B=2", "C=3=c"}}, quiet); err != nil {
		t.Fatal(err)
	}
	v, err := h.svc.Set(t.Context(), "web", vm.Change{Env: []string{"B=new", "D="}, UnsetEnv: []string{"C", "nope"}})
	if diff := cmp.Diff([]string{"A=1", "B=new", "D="}, v.Env); err != nil || diff != "" {
		t.Errorf("environment (-want +got), %v:\n%s", err, diff)
	}
	for _, bad := range []string{"", "=x", "noequals", "A=\x00"} {
		_, err := h.svc.Set(t.Context(), "web", vm.Change{Env: []string{bad}})
		wantFault(t, err, fault.Invalid)
	}
	if diff := cmp.Diff(v, h.get("web")); diff != "" {
		t.Errorf("stored VM (-want +got):\n%s", diff)
	}
}
