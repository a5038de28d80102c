package firecracker

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// TestAGuestThatCannotBeStartedHasItsRemedy has what Firecracker answers to InstanceStart on
// hosts that cannot run the machine, in the words of glibc and of musl.
func TestAGuestThatCannotBeStartedHasItsRemedy(t *testing.T) {
	for words, want := range map[string]struct{ message, hint string }{
		"Cannot create VM: Device or resource busy (os error 16)":             {"Device or resource busy", "stop the other hypervisor"},
		"Cannot create VM: Resource busy (os error 16)":                       {"Resource busy", "stop the other hypervisor"},
		"Memory regions: Cannot allocate memory (os error 12)":                {"Cannot allocate memory", "give the VM less memory"},
		"Memory regions: Out of memory (os error 12)":                         {"Out of memory", "give the VM less memory"},
		"Missing KVM capabilities: 0x50":                                      {"Missing KVM capabilities", "use a newer kernel on this host"},
		"Cannot create the vCPU: Too many open files (os error 24)":           {"Too many open files", "stop other VMs"},
		"Cannot create the vCPU: No file descriptors available (os error 24)": {"No file descriptors available", "stop other VMs"},
	} {
		_, err := start(t, New(), fake(t, "start="+words)) // and nothing is left
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want.message) || !strings.Contains(fault.HintOf(err).String(), want.hint) {
			t.Errorf("%s: %v, hint %q", words, err, fault.HintOf(err).String())
		}
	}
}

// TestANetworkCardThatIsRefusedLeavesNothing has a TAP device by then, in its namespace.
func TestANetworkCardThatIsRefusedLeavesNothing(t *testing.T) {
	if fact := vmm.ThisHost().TAP(t.Context()); fact.State != vmm.Good {
		t.Skip(fact.Reason)
	}
	for how, want := range map[string]string{
		"refuse=PUT /network-interfaces/nic": "refused on purpose", "hang=PUT /network-interfaces/nic": "context deadline exceeded",
	} {
		spec := fake(t, how)
		spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 1500}
		d, dir := New(), t.TempDir()
		if strings.HasPrefix(how, "hang") {
			d.limits.call = 300 * time.Millisecond
		}
		_, err := d.Start(t.Context(), spec, vmm.Site{Dir: dir, Confine: []string{self(t), "confine"}, Log: slog.New(slog.DiscardHandler)})
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", how, err)
		}
		if left, readErr := os.ReadDir(dir); readErr != nil || len(left) != 0 {
			t.Errorf("%s: %v is left, %v", how, left, readErr)
		}
	}
}

func TestAProgramThatIsNotExecutableDoesNotStart(t *testing.T) {
	spec := fake(t, "")
	spec.Program = spec.Kernel // a file of mode 0600
	if _, err := start(t, New(), spec); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v", err)
	}
}
