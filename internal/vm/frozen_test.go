package vm_test

import (
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// A monitor that was stopped, or hangs, keeps nobody from being rid of its VM.
func TestAFrozenMonitorIsEndedBySignals(t *testing.T) {
	for name, freeze := range map[string]func(h *harness, m *fakeMachine){
		"while the daemon knows it": func(_ *harness, m *fakeMachine) {
			m.mu.Lock()
			m.frozen = true
			m.mu.Unlock()
		},
		"before the daemon came": func(h *harness, m *fakeMachine) {
			h.restartDaemon(func() { h.machines.deaf[m.id] = struct{}{} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.create("web", true)
			m := h.machine()
			freeze(h, m)
			if err := h.svc.Delete(t.Context(), "web", vm.Removal{}, quiet); fault.CodeOf(err) != fault.Conflict {
				t.Errorf("Delete without force = %v", err)
			}
			if err := h.svc.Delete(t.Context(), "web", vm.Removal{Force: true}, quiet); err != nil {
				t.Fatalf("Delete = %v", err)
			}
			if n := h.machines.count(); n != 0 || h.machines.ends != 1 {
				t.Errorf("%d machines live, %d were ended by signals", n, h.machines.ends)
			}
			if _, err := h.svc.Get(t.Context(), "web"); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("Get = %v", err)
			}
		})
	}
	t.Run("by kill", func(t *testing.T) {
		h := newHarness(t)
		h.create("web", true)
		m := h.machine()
		m.mu.Lock()
		m.frozen = true
		m.mu.Unlock()
		if _, err := h.svc.Kill(t.Context(), "web", "TERM"); fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("Kill TERM = %v", err)
		}
		if v, err := h.svc.Kill(t.Context(), "web", ""); err != nil || v.State != vm.Failed {
			t.Errorf("Kill = %+v, %v", v, err)
		}
	})
}
