package monitor

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// bootWithin runs a start that bangerd began lead before the monitor; the guest says hello
// after 3 s and is ready 4 s later, configured as long before that as it says.
func bootWithin(t *testing.T, lead, sinceConfigured time.Duration) *rig {
	t.Helper()
	r := newRig(t)
	r.spec.Driver, r.spec.BeganAt = "qemu-tcg", time.Now().Add(-lead)
	r.run()
	<-time.After(3 * time.Second)
	a := r.hello(false)
	ready := agentrpc.Ready{ConfiguredMicros: sinceConfigured.Microseconds(), Generation: (<-a.out).Configure.Generation}
	<-time.After(4 * time.Second)
	r.say(a, agentrpc.GuestMessage{Ready: &ready})
	return r
}

func TestTimelineCountsFromTheBeginningOfTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := bootWithin(t, 2*time.Second, time.Second)
		want := monitorrpc.BootTimeline{
			How: "cold", Driver: "qemu-tcg", Monitor: 2 * time.Second, VMM: 2 * time.Second,
			Connected: 5 * time.Second, Configured: 8 * time.Second, Ready: 9 * time.Second,
		}
		if got := r.now().Boot; got != want {
			t.Errorf("the timeline is %+v, want %+v", got, want)
		}
		// A reboot is of the same start.
		r.last().End(vmm.Exit{Cause: vmm.GuestReset})
		r.beReady()
		if got := r.now().Boot; got != want {
			t.Errorf("the timeline after a reboot is %+v, want %+v", got, want)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		if got := r.wantExit(vm.ReasonPoweroff, false).Boot; got != bootOf(want) {
			t.Errorf("exit.json has %+v, want %+v", got, want)
		}
	})
}

func TestTimelineIsPossibleWhateverTheGuestAndTheClockSay(t *testing.T) {
	for name, tt := range map[string]struct{ lead, sinceConfigured, ready, configured time.Duration }{
		"configured before hello":     {0, time.Hour, 7 * time.Second, 3 * time.Second},
		"configured after ready":      {0, -time.Hour, 7 * time.Second, 0},
		"not said":                    {0, 0, 7 * time.Second, 0},
		"the start began in future":   {-time.Minute, 0, 7 * time.Second, 0},
		"the start began a year back": {8760 * time.Hour, 0, 7 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := bootWithin(t, tt.lead, tt.sinceConfigured)
				got := r.now().Boot
				if got.Ready.Round(time.Second) != tt.ready || got.Configured.Round(time.Second) != tt.configured {
					t.Errorf("the timeline is %+v", got)
				}
				r.last().End(vmm.Exit{Cause: vmm.GuestOff})
				r.wantExit(vm.ReasonPoweroff, false)
			})
		})
	}
}

func TestTimelineOfAFailedStartEndsWhereItDid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		<-time.After(time.Second)
		r.hello(false)
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		got := r.wantExit(vm.ReasonGuestFailed, true).Boot
		if got.Connected.Round(time.Second) != time.Second || got.Ready != 0 || got.Configured != 0 {
			t.Errorf("the timeline is %+v", got)
		}
	})
}
