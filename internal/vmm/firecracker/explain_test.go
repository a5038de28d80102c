package firecracker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

func TestWhyAGuestDoesNotStartHasItsRemedy(t *testing.T) {
	gone := vmm.Fact{State: vmm.Missing, Reason: "/dev/kvm does not open for ann", Remedy: "join kvm"}
	const noKVM = "Start microvm error: Kvm error: Error creating KVM object: %s Make sure the user launching the firecracker process is configured on the /dev/kvm file's ACL."
	for _, c := range []struct {
		message     string
		kvm         vmm.Fact
		want, hints string
	}{
		{fmt.Sprintf(noKVM, "Permission denied (os error 13)"), gone, "Firecracker cannot use KVM: /dev/kvm does not open for ann", "join kvm"},
		{fmt.Sprintf(noKVM, "Device or resource busy (os error 16)"), vmm.Fact{State: vmm.Good}, "", "stop the other hypervisor that uses the CPU's virtualisation, such as VirtualBox"},
		{"Start microvm error: Cannot create VM: Device or resource busy (os error 16)", gone, "", "stop the other hypervisor that uses the CPU's virtualisation, such as VirtualBox"},
		{"Start microvm error: Memory regions: Cannot allocate memory (os error 12)", gone, "", "give the VM less memory, or stop other programs on this host"},
		{"odd", gone, "", ""},
	} {
		want := c.want
		if want == "" {
			want = "Firecracker did not start the guest: " + c.message
		}
		cause := fmt.Errorf("PUT /actions is refused: %w", &refusal{status: 400, message: c.message})
		err := explain(cause, func() vmm.Fact { return c.kvm })
		if !errors.Is(err, fault.Unavailable) || err.Error() != want || fault.HintOf(err).String() != c.hints {
			t.Errorf("%s: %v, hint %q", c.message, err, fault.HintOf(err).String())
		}
	}
}
