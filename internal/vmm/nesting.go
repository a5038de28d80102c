package vmm

import "bytes"

// nestedParameters say whether KVM gives virtualisation on to guests: the parameter
// nested of the modules kvm_amd and kvm_intel, which is 0, 1, N or Y.
func nestedParameters() map[string]string {
	return map[string]string{
		"kvm_amd":   "/sys/module/kvm_amd/parameters/nested",
		"kvm_intel": "/sys/module/kvm_intel/parameters/nested",
	}
}

// Nesting says whether guests on KVM can be hosts of KVM themselves.
func (h *Host) Nesting() Fact {
	if h.Arch != "amd64" {
		return noNesting("banger nests VMs on amd64 only", "use an amd64 host")
	}
	if kvm := h.KVM(); kvm.State != Good {
		return noNesting(kvm.Reason, kvm.Remedy)
	}
	for module, path := range nestedParameters() {
		value, err := h.ReadHead(path, 8)
		if err != nil {
			continue
		}
		switch string(bytes.TrimSpace(value)) {
		case "1", "Y":
			return Fact{About: AboutNesting, State: Good, Reason: "the module " + module + " has nested=1"}
		default:
			return noNesting("the module "+module+" has nested=0",
				"stop all VMs, then: sudo modprobe -r "+module+" && sudo modprobe "+module+" nested=1")
		}
	}
	return noNesting("neither kvm_amd nor kvm_intel says whether it nests", "load kvm_amd or kvm_intel with nested=1")
}

func noNesting(reason, remedy string) Fact {
	return Fact{About: AboutNesting, State: Missing, Reason: reason, Remedy: remedy}
}
