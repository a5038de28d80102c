package monitor

import (
	"testing"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestDevicesAreWhatTheVMMCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		r.last().Counted = vmm.Counters{DiskReads: 1, DiskReadBytes: 2, DiskWrites: 3, DiskWriteBytes: 4, DiskFlushes: 5, DiskErrors: 6, ReclaimedBytes: 7}
		want := monitorrpc.Devices{DiskReads: 1, DiskReadBytes: 2, DiskWrites: 3, DiskWriteBytes: 4, DiskFlushes: 5, DiskErrors: 6, ReclaimedBytes: 7}
		if got := r.devices(t.Context()); got == nil || *got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		r.beReady()
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
		if got := r.devices(t.Context()); got != nil {
			t.Errorf("after the end: %+v", got)
		}
	})
}
