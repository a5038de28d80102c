package monitor

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestAKernelThatLacksMemoryIsSaidTo(t *testing.T) {
	for name, tt := range map[string]struct {
		console string
		lacks   bool
	}{
		"deadlocked":   {"Kernel panic - not syncing: System is deadlocked on memory\nCPU: 0 PID: 1\nCall Trace:\n dump_stack\n panic\n", true},
		"unpacking":    {"Initramfs unpacking failed: write error\nKernel panic - not syncing: VFS: Unable to mount root fs", true},
		"no init":      {"Failed to execute /init (error -12)", true},
		"another case": {"Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100", false},
		"silence":      {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t)
				r.spec.MemoryBytes = 96 << 20
				r.console = func(int) string { return tt.console }
				r.run()
				r.last().End(vmm.Exit{Cause: vmm.GuestReset, Detail: "the guest reset the machine"})
				e := r.wantExit(vm.ReasonGuestFailed, true)
				if got := strings.Contains(e.Message, "memory of 96 MiB is too little"); got != tt.lacks {
					t.Errorf("the message is %q", e.Message)
				}
			})
		})
	}
}
