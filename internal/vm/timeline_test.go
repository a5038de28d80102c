package vm_test

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/vm"
)

func TestTimelineIsOfTheLastStart(t *testing.T) {
	h := newHarness(t)
	said := vm.BootTimeline{How: vm.BootCold, Driver: "qemu-tcg", Monitor: 1, VMM: 2, Connected: 3, Configured: 4, Ready: 5}
	v := h.create("web", false)
	if v.BootTimeline != (vm.BootTimeline{}) {
		t.Errorf("a VM that never started has %+v", v.BootTimeline)
	}
	h.machines.boot = said
	v, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet)
	if err != nil || v.BootTimeline != said {
		t.Errorf("Start = %+v, %v; want %+v", v.BootTimeline, err, said)
	}
	if spec := h.machines.lastSpec(t); !spec.BeganAt.Equal(v.StartedAt) {
		t.Errorf("the monitor is told %v, the VM has %v", spec.BeganAt, v.StartedAt)
	}
	if v, err = h.svc.Stop(t.Context(), "web", time.Minute, quiet); err != nil || v.BootTimeline != said {
		t.Errorf("Stop = %+v, %v; want %+v", v.BootTimeline, err, said)
	}
	h.machines.boot = vm.BootTimeline{} // a monitor that does not say
	v, err = h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet)
	if want := (vm.BootTimeline{How: vm.BootCold, Driver: v.Driver}); err != nil || v.BootTimeline != want {
		t.Errorf("Start = %+v, %v; want %+v", v.BootTimeline, err, want)
	}
}

func TestTimelineOfAnEndThatNobodySawIsRecorded(t *testing.T) {
	h := newHarness(t)
	v := h.create("web", true)
	said := vm.BootTimeline{How: vm.BootCold, Driver: "qemu-tcg", Monitor: 1, VMM: 2}
	m := h.machines.get(v.ID)
	h.machines.mu.Lock()
	h.machines.exits[v.ID] = vm.Exit{Format: vm.ExitFormat, StartID: v.StartID, Reason: vm.ReasonVMMFailed, Failed: true, At: time.Now(), Boot: said}
	h.machines.mu.Unlock()
	m.vanish()
	got := h.eventually("web", func(v vm.VM) bool { return v.State == vm.Failed })
	if got.BootTimeline != said {
		t.Errorf("the VM has %+v, want %+v", got.BootTimeline, said)
	}
}
