package firecracker

import (
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// knownRefusals are what of Firecracker's words a user can do something about.
func knownRefusals() []knownRefusal {
	return []knownRefusal{
		{"Device or resource busy (os error 16)", "stop the other hypervisor that uses the CPU's virtualisation, such as VirtualBox"},
		{"Cannot allocate memory (os error 12)", "give the VM less memory, or stop other programs on this host"},
		{"Missing KVM capabilities", "use a newer kernel on this host, or the driver qemu-tcg"},
		{"too many open files", "stop other VMs, or raise the limit of open files"},
	}
}

type knownRefusal struct{ words, remedy string }

// explain makes a fault of why a guest did not start. kvm looks at KVM again: it may have
// changed since the driver did.
func explain(cause error, kvm func() vmm.Fact) error {
	r, ok := isRefusal(cause)
	if !ok {
		return fault.Wrap(fault.Unavailable, cause, "Firecracker did not become ready")
	}
	if strings.Contains(r.message, "KVM object") {
		if fact := kvm(); fact.State == vmm.Missing {
			return fault.New(fault.Unavailable, "Firecracker cannot use KVM: %s", fact.Reason).WithHint("%s", fact.Remedy)
		}
	}
	err := fault.New(fault.Unavailable, "Firecracker did not start the guest: %s", r.message)
	for _, known := range knownRefusals() {
		if strings.Contains(r.message, known.words) {
			return err.WithHint("%s", known.remedy)
		}
	}
	return err
}
