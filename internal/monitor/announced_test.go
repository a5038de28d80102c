package monitor

import (
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestTheGuestsWordTellsAPoweroffFromAReboot(t *testing.T) {
	for _, c := range []struct {
		name    string
		byReset bool
		kind    agentrpc.DownKind // empty: it says nothing
		off     bool              // the VM's end; else another boot
	}{
		{"poweroff", true, agentrpc.DownPoweroff, true},
		{"reboot", true, agentrpc.DownReboot, false},
		{"silent reset", true, "", false},
		{"a reset after a poweroff that the VMM would have seen", false, agentrpc.DownPoweroff, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t).run()
				r.last().ByReset = c.byReset
				a := r.hello(false)
				m := <-a.out
				if m.Configure == nil || m.Configure.EndsByReset != c.byReset {
					t.Fatalf("the guest was told %+v", m.Configure)
				}
				r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "systemd", Generation: m.Configure.Generation}})
				if c.kind != "" {
					r.say(a, agentrpc.GuestMessage{GoingDown: &agentrpc.GoingDown{Kind: c.kind}})
				}
				if told := r.last().ToldDown(); told != (c.kind == agentrpc.DownPoweroff) {
					t.Errorf("the machine was told %v", told)
				}
				r.last().End(vmm.Exit{Cause: vmm.GuestReset})
				if c.off {
					r.wantExit(vm.ReasonPoweroff, false)
					return
				}
				if s := r.now(); s.Boots != 2 {
					t.Errorf("the status is %+v", s)
				}
				r.last().End(vmm.Exit{Cause: vmm.Failed})
				<-r.exited
			})
		})
	}
}
