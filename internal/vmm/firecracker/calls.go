package firecracker

import (
	"context"
	"net/http"
)

// The bodies of calls, each with the fields that banger sends.

// machineConfig is the body of PUT /machine-config.
type machineConfig struct {
	VCPUs     int   `json:"vcpu_count"`
	MemoryMiB int64 `json:"mem_size_mib"`
}

// cpuConfig is the body of PUT /cpu-config: a custom CPU template, by Firecracker's
// docs/cpu_templates/cpu-templates.md.
type cpuConfig struct {
	Leaves []cpuidLeaf `json:"cpuid_modifiers"`
}

// cpuidLeaf changes one leaf of CPUID.
type cpuidLeaf struct {
	Leaf      string          `json:"leaf"`
	Subleaf   string          `json:"subleaf"`
	Flags     int             `json:"flags"` // of KVM's entry; 1: the subleaf matters
	Registers []cpuidRegister `json:"modifiers"`
}

// cpuidRegister has a bitmap of 0, 1 and x, which leaves the CPU's own bit.
type cpuidRegister struct {
	Name   string `json:"register"`
	Bitmap string `json:"bitmap"`
}

// notNested hides the CPU's means to run VMs, which Firecracker passes on but does not
// support: bit 5 (VMX) of Intel's leaf 1, and bit 2
// (SVM) of AMD's 80000001H, both in ECX.
func notNested() cpuConfig {
	hide := func(leaf string, bit int) cpuidLeaf {
		bitmap := []byte("0bxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
		bitmap[len(bitmap)-1-bit] = '0'
		return cpuidLeaf{Leaf: leaf, Subleaf: "0x0", Registers: []cpuidRegister{{"ecx", string(bitmap)}}}
	}
	return cpuConfig{Leaves: []cpuidLeaf{hide("0x1", 5), hide("0x80000001", 2)}}
}

// bootSource is the body of PUT /boot-source.
type bootSource struct {
	Kernel string `json:"kernel_image_path"` // uncompressed ELF
	Initrd string `json:"initrd_path"`
	Args   string `json:"boot_args"`
}

// drive is the body of PUT /drives/ID. Firecracker numbers the devices in the order of
// the calls.
type drive struct {
	ID       string `json:"drive_id"` // letters, digits and _
	Path     string `json:"path_on_host"`
	ReadOnly bool   `json:"is_read_only"`
	// Root would have Firecracker put root= on the command line.
	Root bool `json:"is_root_device"`
	// Cache is "Writeback" for a device whose flushes reach the disk; the default
	// ignores them.
	Cache string `json:"cache_type"`
}

// networkInterface is the body of PUT /network-interfaces/ID.
type networkInterface struct {
	ID  string `json:"iface_id"`
	TAP string `json:"host_dev_name"`
	MAC string `json:"guest_mac"`
	MTU int    `json:"mtu,omitempty"`
}

// vsockDevice is the body of PUT /vsock, which binds the socket.
type vsockDevice struct {
	CID    int    `json:"guest_cid"`
	Socket string `json:"uds_path"`
}

// balloon is the body of PUT /balloon.
type balloon struct {
	MiB          int  `json:"amount_mib"`
	DeflateOnOOM bool `json:"deflate_on_oom"`
	// FreePageReporting has the guest give back memory that it does not use.
	FreePageReporting bool `json:"free_page_reporting"`
}

// metricsConfig is the body of PUT /metrics.
type metricsConfig struct {
	Path string `json:"metrics_path"`
}

// entropyDevice is the body of PUT /entropy.
type entropyDevice struct{}

// The values of an action and of a state.
const (
	actionStart      = "InstanceStart"
	actionCtrlAltDel = "SendCtrlAltDel"
	actionFlush      = "FlushMetrics"

	statePaused  = "Paused"
	stateResumed = "Resumed"
)

func (c *client) put(ctx context.Context, path string, body any) error {
	return c.do(ctx, c.limits.call, http.MethodPut, path, body, nil)
}

// act makes one of the actions.
func (c *client) act(ctx context.Context, action string) error {
	limit := c.limits.call
	if action == actionStart {
		limit = c.limits.boot
	}
	body := struct {
		Action string `json:"action_type"`
	}{action}
	return c.do(ctx, limit, http.MethodPut, "/actions", body, nil)
}

// setState pauses or resumes the virtual CPUs.
func (c *client) setState(ctx context.Context, state string) error {
	body := struct {
		State string `json:"state"`
	}{state}
	return c.do(ctx, c.limits.pause, http.MethodPatch, "/vm", body, nil)
}
