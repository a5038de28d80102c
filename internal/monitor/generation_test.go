package monitor

import (
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// TestAGuestIsReadyOnlyAsTheMachineThatItWasConfiguredAs fails for a Ready that was saved
// in another machine's memory, or said in the boot before.
func TestAGuestIsReadyOnlyAsTheMachineThatItWasConfiguredAs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		a := r.hello(false)
		first := (<-a.out).Configure.Generation
		for _, other := range []string{"", "another"} {
			r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent", Generation: other}})
			if s := r.now(); s.Phase != monitorrpc.PhaseConfiguring || !s.ReadyAt.IsZero() {
				t.Fatalf("with the generation %q the guest counts as %+v", other, s)
			}
		}
		r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent", Generation: first}})
		if s := r.now(); s.Phase != monitorrpc.PhaseReady {
			t.Errorf("with its own generation the guest is %+v", s)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestReset})
		a = r.hello(false)
		if next := (<-a.out).Configure.Generation; len(next) != 2*generationBytes || next == first {
			t.Errorf("the generations of two boots are %q and %q", first, next)
		}
		r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent", Generation: first}})
		if s := r.now(); s.Phase == monitorrpc.PhaseReady {
			t.Error("the generation of the boot before counts")
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonGuestFailed, true)
	})
}

// TestAnAgentOfTheProtocolBeforeConfirmsNothing, and is ready all the same.
func TestAnAgentOfTheProtocolBeforeConfirmsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		a := r.hello(false)
		<-a.out
		r.say(a, agentrpc.GuestMessage{Hello: &agentrpc.Hello{Protocol: confirmingProtocol - 1}})
		<-a.out
		r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent"}})
		if s := r.now(); s.Phase != monitorrpc.PhaseReady {
			t.Errorf("the guest is %+v", s)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
	})
}
