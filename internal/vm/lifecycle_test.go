package vm_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

var quiet = operation.Discard{}

func TestStopAndStartAgain(t *testing.T) {
	h := newHarness(t)
	first := h.create("web", true)
	v, err := h.svc.Stop(t.Context(), "web", time.Minute, quiet)
	if err != nil || v.State != vm.Stopped || v.ExitReason != vm.ReasonStopped || v.StoppedAt.IsZero() {
		t.Errorf("Stop = %+v, %v", v, err)
	}
	if v, err = h.svc.Stop(t.Context(), "web", time.Minute, quiet); err != nil || v.State != vm.Stopped {
		t.Errorf("second Stop = %+v, %v", v, err)
	}
	if _, ok := h.svc.Runtime(v.ID); ok {
		t.Error("a stopped VM has a Runtime")
	}
	v, err = h.svc.Start(t.Context(), first.ID[:6], vm.WaitReady(), quiet)
	if err != nil || v.State != vm.Running || v.StartID == first.StartID || v.ExitReason != "" {
		t.Errorf("Start = %+v, %v", v, err)
	}
	if got := h.machines.lastSpec(t).Guest.MachineID; got != "machine of "+v.ID {
		t.Errorf("machine id at the second start: %q", got)
	}
	if again, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil || again.StartID != v.StartID {
		t.Errorf("Start of a running VM = %+v, %v", again, err)
	}
}

func TestRestartIsAnotherStart(t *testing.T) {
	h := newHarness(t)
	before := h.create("web", true)
	after, err := h.svc.Restart(t.Context(), "web", time.Second, vm.WaitStarted(), quiet)
	if err != nil || !after.State.Alive() || after.StartID == before.StartID {
		t.Errorf("Restart = %+v, %v", after, err)
	}
}

func TestPauseAndResume(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	for range 2 {
		if v, err := h.svc.Pause(t.Context(), "web"); err != nil || v.State != vm.Paused {
			t.Errorf("Pause = %+v, %v", v, err)
		}
	}
	_, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet)
	wantFault(t, err, fault.Conflict, "paused")
	for range 2 {
		if v, err := h.svc.Resume(t.Context(), "web"); err != nil || v.State != vm.Running {
			t.Errorf("Resume = %+v, %v", v, err)
		}
	}
	if n := h.machine().onResume; n != 1 {
		t.Errorf("the machine was resumed %d times", n)
	}
}

func TestAPausedVMIsResumedForItsStop(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	m := h.machine()
	if _, err := h.svc.Pause(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil || m.onResume != 1 {
		t.Errorf("Stop: %v, resumed %d times", err, m.onResume)
	}
}

func TestVerbsRefuseTheWrongState(t *testing.T) {
	h := newHarness(t)
	h.create("off", false)
	h.create("on", true)
	verbs := map[string]func() error{
		"pause a stopped VM":  func() error { _, err := h.svc.Pause(t.Context(), "off"); return err },
		"resume a stopped VM": func() error { _, err := h.svc.Resume(t.Context(), "off"); return err },
		"kill a stopped VM":   func() error { _, err := h.svc.Kill(t.Context(), "off", ""); return err },
		"delete a running VM": func() error { return h.svc.Delete(t.Context(), "on", vm.Removal{}, quiet) },
		"set a running VM":    func() error { _, err := h.svc.Set(t.Context(), "on", vm.Change{VCPU: new(1)}); return err },
	}
	for name, verb := range verbs {
		t.Run(name, func(t *testing.T) { wantFault(t, verb(), fault.Conflict) })
	}
	if h.machines.count() != 1 || h.disks.count() != 2 {
		t.Error("something was done nevertheless")
	}
}

func TestKill(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	m := h.machine()
	if v, err := h.svc.Kill(t.Context(), "web", "sigusr1"); err != nil || v.State != vm.Running {
		t.Errorf("Kill USR1 = %+v, %v", v, err)
	}
	if v, err := h.svc.Kill(t.Context(), "web", ""); err != nil || v.State != vm.Stopped || v.ExitReason != vm.ReasonKilled {
		t.Errorf("Kill = %+v, %v", v, err)
	}
	if diff := cmp.Diff([]int{10, 9}, m.signals); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
	_, err := h.svc.Kill(t.Context(), "web", "NOPE")
	wantFault(t, err, fault.Invalid, "NOPE")
}

func TestDeleteWithForceEndsTheMachine(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	m := h.machine()
	if err := h.svc.Delete(t.Context(), "web", vm.Removal{Force: true}, quiet); err != nil {
		t.Fatal(err)
	}
	h.nothingLeft()
	if last := h.points.passed[len(h.points.passed)-1]; last != "release 0123456789ab" {
		t.Errorf("the image is not released last, but %q", last)
	}
	if diff := cmp.Diff([]time.Duration{0}, m.stopAfter); diff != "" {
		t.Errorf("stops (-want +got):\n%s", diff)
	}
	wantFault(t, h.svc.Delete(t.Context(), "web", vm.Removal{Force: true}, quiet), fault.NotFound, "web")
}

func TestDeleteKeepsAVMWhoseMonitorCannotBeEnded(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	id := h.get("web").ID
	h.svc.Close()
	h.machines.deaf[id] = struct{}{}
	h.machines.endErr = fault.New(fault.Unavailable, "it does not end")
	h.svc = vm.New(h.deps)
	h.reconcile()
	if err := h.svc.Delete(t.Context(), "web", vm.Removal{Force: true}, quiet); !errors.Is(err, fault.Unavailable) {
		t.Errorf("Delete = %v", err)
	}
	if v := h.get("web"); v.Provisional || h.disks.count() != 1 {
		t.Errorf("VM = %+v, %d disks", v, h.disks.count())
	}
}

func TestWhatTheMonitorSaysIsRecorded(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	m := h.machine()
	steps := []struct {
		act  func()
		want vm.State
	}{
		{func() { m.set(func(s *vm.Status) { s.Phase, s.Boots = vm.PhaseBooting, 2 }) }, vm.Starting},
		{m.ready, vm.Running},
		{func() { m.set(func(s *vm.Status) { s.Paused, s.Warning = true, "host disk full" }) }, vm.Paused},
		{func() { m.set(func(s *vm.Status) { s.Paused = false }) }, vm.Running},
		{func() { m.set(func(s *vm.Status) { s.Phase = vm.PhaseStopping }) }, vm.Stopping},
		{func() { m.exit(vm.ReasonPoweroff, false) }, vm.Stopped},
	}
	for _, step := range steps {
		step.act()
		h.eventually("web", inState(step.want))
	}
	if v := h.get("web"); v.ExitReason != vm.ReasonPoweroff {
		t.Errorf("VM = %+v", v)
	}
}

func TestAMonitorThatVanishesIsNoticed(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	h.machine().vanish()
	v := h.eventually("web", inState(vm.Failed))
	if v.ExitReason != vm.ReasonMonitorDied || v.ExitMessage == "" {
		t.Errorf("VM = %+v", v)
	}
	if v, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil || v.State != vm.Running {
		t.Errorf("Start after it = %+v, %v", v, err)
	}
}
