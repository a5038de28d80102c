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
	if v := h.get("web"); v.State != vm.Failed || v.ExitReason != vm.ReasonStartFailed || v.ExitMessage != "no QEMU" || v.ExitHint.String() != "install it" {
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
