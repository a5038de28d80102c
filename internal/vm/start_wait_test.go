package vm_test

import (
	"context"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestWaits(t *testing.T) {
	h := newHarness(t)
	h.machines.atStart = func(*fakeMachine) {} // booting for ever
	for _, wait := range []vm.Wait{vm.WaitNone(), vm.WaitStarted()} {
		v, err := h.svc.Create(t.Context(), vm.CreateRequest{Start: true, Wait: wait}, quiet)
		if err != nil || v.State != vm.Starting {
			t.Errorf("wait %s: %+v, %v", wait, v, err)
		}
	}
}

// TestAPortIsOnTheHost when the wait for it has ended, if it is to be there.
func TestAPortIsOnTheHost(t *testing.T) {
	for mode, looks := range map[vm.PortsMode]int{vm.PortsAll: 3, vm.PortsShared: 0, vm.PortsNone: 0} {
		t.Run(string(mode), func(t *testing.T) {
			h := newHarness(t)
			if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("web"), Ports: &mode}, quiet); err != nil {
				t.Fatal(err)
			}
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
			m := h.machine()
			m.network.mu.Lock()
			defer m.network.mu.Unlock()
			if m.network.looks != looks {
				t.Errorf("looked %d times for it on the host, want %d", m.network.looks, looks)
			}
		})
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
