package firecracker

import (
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// knownRefusals are what of Firecracker's words a user can do something about. Those of the
// system are from the C library: releases of Firecracker have musl, distributions' glibc.
func knownRefusals() []knownRefusal {
	return []knownRefusal{
		{"resource busy", "", "stop the other hypervisor that uses the CPU's virtualisation, such as VirtualBox"},
		{"cannot allocate memory", "out of memory", "give the VM less memory, or stop other programs on this host"},
		{"missing kvm capabilities", "", "use a newer kernel on this host, or the driver qemu-tcg"},
		{"too many open files", "no file descriptors available", "stop other VMs, or raise the limit of open files"},
	}
}

// knownRefusal has its words in lower case; musl's are empty where glibc's contain them.
type knownRefusal struct{ words, musl, remedy string }

func (k knownRefusal) in(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, k.words) || k.musl != "" && strings.Contains(message, k.musl)
}

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
		if known.in(r.message) {
			return err.WithHint("%s", known.remedy)
		}
	}
	return err
}
