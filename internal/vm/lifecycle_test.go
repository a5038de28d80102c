package vm_test

import (
	"context"
	"errors"
	"strings"
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
	if diff := cmp.Diff([]time.Duration{0}, m.stopAfter); diff != "" {
		t.Errorf("stops (-want +got):\n%s", diff)
	}
	wantFault(t, h.svc.Delete(t.Context(), "web", vm.Removal{Force: true}, quiet), fault.NotFound, "web")
}

func TestResetKeepsWorkThatNoExportHas(t *testing.T) {
	h := newHarness(t)
	w := &work{unsaved: "has unexported work in /srv/repo"}
	h.deps.Workspaces = w
	h.restartDaemon(func() {})
	h.create("web", true)
	_, err := h.svc.Reset(t.Context(), "web", false, quiet)
	wantFault(t, err, fault.Conflict, "VM web has unexported work in /srv/repo")
	if hint := fault.HintOf(err).String(); hint != "banger vm workspace export web, or banger vm reset --discard-work web to discard it" {
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
	if hint := fault.HintOf(err).String(); !strings.HasPrefix(hint, "banger vm start web && ") {
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

func TestSet(t *testing.T) {
	h := newHarness(t)
	h.create("other", false)
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Labels: map[string]string{"a": "1", "b": "2"}}, quiet); err != nil {
		t.Fatal(err)
	}
	v, err := h.svc.Set(t.Context(), "web", vm.Change{
		Name: new("api"), VCPU: new(1), MemoryBytes: new(256 * mib), DiskBytes: new(9 * gib),
		Labels: map[string]string{"a": "", "b": "3", "c": "4"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if v.Name != "api" || v.VCPU != 1 || v.MemoryBytes != 256*mib || v.DiskBytes != 9*gib || h.disks.size(v.ID) != 9*gib {
		t.Errorf("VM = %+v, disk %d", v, h.disks.size(v.ID))
	}
	if diff := cmp.Diff(map[string]string{"b": "3", "c": "4"}, v.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(v, h.get("api")); diff != "" {
		t.Errorf("stored VM (-want +got):\n%s", diff)
	}

	if name := h.disks.name(v.ID); name != "api" {
		t.Errorf("it is known as %q", name)
	}

	refusals := map[string]struct {
		change vm.Change
		code   fault.Code
	}{
		"shrink":     {vm.Change{DiskBytes: new(8 * gib)}, fault.Invalid},
		"zero CPUs":  {vm.Change{VCPU: new(0)}, fault.Invalid},
		"memory":     {vm.Change{MemoryBytes: new(int64(-1))}, fault.Invalid},
		"taken name": {vm.Change{Name: new("other"), DiskBytes: new(10 * gib)}, fault.Conflict},
		"bad name":   {vm.Change{Name: new("NO")}, fault.Invalid},
		"bad label":  {vm.Change{Labels: map[string]string{" ": "x"}}, fault.Invalid},
	}
	for name, tt := range refusals {
		t.Run(name, func(t *testing.T) {
			_, err := h.svc.Set(t.Context(), "api", tt.change)
			wantFault(t, err, tt.code)
			if diff := cmp.Diff(v, h.get("api")); diff != "" || h.disks.size(v.ID) != 9*gib {
				t.Errorf("the VM was changed, disk %d (-want +got):\n%s", h.disks.size(v.ID), diff)
			}
		})
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

func TestWaits(t *testing.T) {
	h := newHarness(t)
	h.machines.atStart = func(*fakeMachine) {} // booting for ever
	for _, wait := range []vm.Wait{vm.WaitNone(), vm.WaitStarted()} {
		v, err := h.svc.Create(t.Context(), vm.CreateRequest{Start: true, Wait: wait}, quiet)
		if err != nil || v.State != vm.Starting {
			t.Errorf("wait %s: %+v, %v", wait, v, err)
		}
	}

	h.create("web", false)
	ended := make(chan error)
	waiting := make(chan struct{})
	h.machines.atStart = func(m *fakeMachine) { m.ready(); close(waiting) }
	go func() {
		_, err := h.svc.Start(context.WithoutCancel(t.Context()), "web", vm.WaitPort(80), quiet)
		ended <- err
	}()
	<-waiting
	h.ports.open <- struct{}{}
	if err := <-ended; err != nil {
		t.Errorf("wait for a port: %v", err)
	}
}

func TestAPortCannotBeWaitedForWithoutPorts(t *testing.T) {
	h := newHarness(t)
	h.deps.Ports = nil
	h.svc.Close()
	h.svc = vm.New(h.deps)
	_, err := h.svc.Create(t.Context(), vm.CreateRequest{Start: true, Wait: vm.WaitPort(80)}, quiet)
	wantFault(t, err, fault.Invalid, "port:80")
	h.nothingLeft()
}

func TestAVMThatEndsWhileItsPortIsWaitedForIsTold(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	started := make(chan struct{})
	h.machines.atStart = func(m *fakeMachine) { m.ready(); close(started) }
	ended := make(chan error)
	go func() {
		_, err := h.svc.Start(context.WithoutCancel(t.Context()), "web", vm.WaitPort(80), quiet)
		ended <- err
	}()
	<-started
	h.machine().exit(vm.ReasonVMMFailed, true)
	wantFault(t, <-ended, fault.Unavailable, vm.ReasonVMMFailed)
}

func TestOneVerbAtATime(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	inside, release := make(chan struct{}), make(chan struct{})
	h.machines.atStart = func(m *fakeMachine) { close(inside); <-release; m.ready() }
	started := make(chan error)
	go func() {
		_, err := h.svc.Start(context.WithoutCancel(t.Context()), "web", vm.WaitReady(), quiet)
		started <- err
	}()
	<-inside
	wantFault(t, h.svc.Delete(t.Context(), "web", vm.Removal{Force: true}, quiet), fault.Busy, "web", "start")
	_, err := h.svc.Stop(t.Context(), "web", 0, quiet)
	wantFault(t, err, fault.Busy, "start")
	close(release)
	if err := <-started; err != nil {
		t.Errorf("Start = %v", err)
	}
}

func TestAVMThatBootsCanBeStopped(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	booting := make(chan struct{})
	h.machines.atStart = func(*fakeMachine) { close(booting) }
	started := make(chan error)
	go func() {
		_, err := h.svc.Start(context.WithoutCancel(t.Context()), "web", vm.WaitReady(), quiet)
		started <- err
	}()
	<-booting
	h.eventually("web", func(v vm.VM) bool { _, known := h.svc.Runtime(v.ID); return known })
	if v, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil || v.State != vm.Stopped {
		t.Errorf("Stop = %+v, %v", v, err)
	}
	wantFault(t, <-started, fault.Unavailable, vm.ReasonStopped)
}

func TestAStartThatFailsIsRecorded(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	h.points.reset(-1, nil)
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	machineAt := len(h.points.passed) - 1
	if h.points.passed[machineAt] != "machine" {
		t.Fatalf("passed %v", h.points.passed)
	}
	if _, err := h.svc.Stop(t.Context(), "web", 0, quiet); err != nil {
		t.Fatal(err)
	}

	h.points.reset(machineAt, func() error { return fault.New(fault.Unavailable, "no QEMU").WithHint("install it") })
	_, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet)
	wantFault(t, err, fault.Unavailable, "no QEMU")
	if v := h.get("web"); v.State != vm.Failed || v.ExitReason != vm.ReasonStartFailed || v.ExitMessage != "no QEMU" {
		t.Errorf("VM = %+v", v)
	}

	before := h.get("web")
	ctx, cancel := context.WithCancel(t.Context())
	h.points.reset(machineAt, func() error { cancel(); return nil })
	if _, err := h.svc.Start(ctx, "web", vm.WaitReady(), quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v", err)
	}
	if diff := cmp.Diff(before, h.get("web")); diff != "" {
		t.Errorf("a cancelled start changed the record (-want +got):\n%s", diff)
	}
}

func TestKillDuringAStartDoesNotDeclareTheVMDead(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	h.points.reset(-1, nil)
	inside, release := make(chan struct{}), make(chan struct{})
	h.machines.beforeStart = func() { close(inside); <-release }
	started := make(chan error)
	go func() {
		_, err := h.svc.Start(context.WithoutCancel(t.Context()), "web", vm.WaitReady(), quiet)
		started <- err
	}()
	<-inside // the record says starting, and there is no monitor yet
	_, err := h.svc.Kill(t.Context(), "web", "")
	wantFault(t, err, fault.Busy, "start")
	if v := h.get("web"); v.State != vm.Starting || v.ExitReason != "" {
		t.Errorf("VM = %+v", v)
	}
	close(release)
	if err := <-started; err != nil {
		t.Errorf("Start = %v", err)
	}
}
