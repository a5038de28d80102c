package qemu

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bangervm/banger/internal/vmm"
)

// AgentPortName is the virtio-serial port that the guest's agent opens.
const AgentPortName = "banger.agent"

// The descriptors that QEMU inherits. The disks' come after them, then the memory's.
const (
	fdQMP = 3 + iota
	fdAgent
	fdConsole
	fdNIC // only with a network
)

// fdDisks is the descriptor of the first disk.
func fdDisks(spec vmm.Spec) int {
	if spec.NIC != nil {
		return fdNIC + 1
	}
	return fdNIC
}

// arguments returns QEMU's command line, without the program's name. tscKHz is
// the rate of the time-stamp counter, 0 where the guest need not be told.
func arguments(spec vmm.Spec, kvm bool, arch string, tscKHz int64) ([]string, error) {
	machine := machineType(arch) + ",memory-backend=" + memoryBackend
	args := []string{
		"-name", spec.Name,
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-M", machine,
		"-cpu", cpu(spec, kvm, arch),
		"-smp", fmt.Sprint(spec.VCPU),
		"-m", fmt.Sprintf("size=%dB", spec.MemoryBytes),
		"-global", "virtio-mmio.force-legacy=false",
		"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d", fdQMP), "-mon", "chardev=qmp,mode=control",
		"-chardev", fmt.Sprintf("socket,id=console,fd=%d", fdConsole), "-serial", "chardev:console",
		"-object", "rng-builtin,id=rng", "-device", "virtio-rng-device,rng=rng",
		"-device", "virtio-serial-device",
		"-chardev", fmt.Sprintf("socket,id=agent,fd=%d,server=on,wait=off", fdAgent),
		"-device", "virtserialport,chardev=agent,name=" + AgentPortName,
	}
	if spec.From != nil || spec.Resume != nil {
		args = append(args, "-incoming", "defer") // the kernel is in the memory
	} else {
		args = append(args, "-kernel", spec.Kernel, "-initrd", spec.Initramfs, "-append", commandLine(spec, kvm, arch, tscKHz))
	}
	if kvm {
		args = append(args, "-accel", "kvm")
	} else {
		// The translation cache is QEMU's own memory on top of the guest's.
		args = append(args, "-accel", "tcg,tb-size=256")
	}
	if arch == "amd64" {
		args = append(args, "-device", "i8042") // carries ctrl-alt-del
	}
	args = append(args, memoryArguments(spec, fdDisks(spec)+len(spec.Disks))...)
	for i, disk := range spec.Disks {
		more, err := diskArguments(disk, fdDisks(spec)+i)
		if err != nil {
			return nil, err
		}
		args = append(args, more...)
	}
	if spec.NIC != nil {
		more, err := nicArguments(*spec.NIC)
		if err != nil {
			return nil, err
		}
		args = append(args, more...)
	}
	return args, nil
}

// inFile reports that the guest's memory is in a file of ours.
func inFile(spec vmm.Spec) bool { return spec.Saves || spec.From != nil }

// cpu is the CPU that the guest sees: this host's, or all that QEMU can emulate.
// Both have virtualisation where they can.
func cpu(spec vmm.Spec, kvm bool, arch string) string {
	model := map[bool]string{true: "host", false: "max"}[kvm]
	if arch == "amd64" && !spec.Nested {
		model += ",svm=off,vmx=off"
	}
	return model
}

// machineType: without ACPI, Debian's kernels find no virtio-mmio devices;
// without the PIT and the RTC they boot two seconds later.
func machineType(arch string) string {
	if arch == "arm64" {
		return "virt"
	}
	return "microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=on"
}

// commandLine is the kernel's. A reset after a panic or a reboot ends QEMU,
// which says which it was.
func commandLine(spec vmm.Spec, kvm bool, arch string, tscKHz int64) string {
	line := []string{"console=ttyS0"}
	if arch == "arm64" {
		line = []string{"console=ttyAMA0"}
	}
	// The console is a log and nobody types there: systemd would wait a minute
	// and a half for its device in an image without udev.
	line = append(line, "systemd.getty_auto=no")
	line = append(line, "quiet", "loglevel=4", "reboot=t", "panic=-1", "random.trust_cpu=on", "cryptomgr.notests")
	if arch == "amd64" {
		// There is one keyboard and no PCI: probing for more takes its time. Not
		// i8042.nopnp: only ACPI tells the keyboard's interrupt.
		line = append(line, "pci=off", "i8042.noaux", "i8042.nomux", "i8042.dumbkbd")
	}
	if !kvm {
		line = append(line, "mitigations=off") // an emulated CPU does not speculate
	}
	if tscKHz > 0 {
		// Timer interrupts come late on a loaded host: the watchdog would take the
		// counter for wrong, and go over to counting them.
		line = append(line, fmt.Sprintf("tsc_early_khz=%d", tscKHz), "tsc=reliable", "no_timer_check")
	}
	if spec.CmdlineExtra != "" {
		line = append(line, spec.CmdlineExtra)
	}
	return strings.Join(line, " ")
}

// blockdev is a node of QEMU's block layer, in the JSON form that needs no
// escaping of paths.
type blockdev struct {
	Driver   string    `json:"driver"`
	NodeName string    `json:"node-name,omitempty"`
	Filename string    `json:"filename,omitempty"`
	ReadOnly bool      `json:"read-only"`
	Discard  string    `json:"discard"`
	File     *blockdev `json:"file,omitempty"`
}

// diskArguments makes one virtio-blk device. A disk that fails or a full host
// stops the machine, and resuming it tries again; the guest sees no error. QEMU
// gets the disk as an open descriptor, and needs no path.
func diskArguments(disk vmm.Disk, fd int) ([]string, error) {
	node, err := json.Marshal(blockdev{
		Driver: "raw", NodeName: disk.Name, ReadOnly: disk.ReadOnly, Discard: "unmap",
		File: &blockdev{Driver: "file", Filename: fmt.Sprintf("/dev/fdset/%d", fd), ReadOnly: disk.ReadOnly, Discard: "unmap"},
	})
	if err != nil {
		return nil, err
	}
	device, err := json.Marshal(map[string]any{
		"driver": "virtio-blk-device", "id": "disk-" + disk.Name, "drive": disk.Name, "serial": disk.Name,
		"werror": "stop", "rerror": "stop",
	})
	if err != nil {
		return nil, err
	}
	return []string{"-add-fd", fmt.Sprintf("fd=%d,set=%d", fd, fd), "-blockdev", string(node), "-device", string(device)}, nil
}

// nicArguments makes the virtio-net device and the stream of its frames, each
// behind its length in four bytes, big-endian. No virtio-net header goes with a
// frame, so QEMU offers the guest no checksum or segmentation offload; a large
// MTU does more than they would.
func nicArguments(n vmm.NIC) ([]string, error) {
	device, err := json.Marshal(map[string]any{
		"driver": "virtio-net-device", "id": "nic", "netdev": "net", "mac": n.MAC, "host_mtu": n.MTU,
	})
	if err != nil {
		return nil, err
	}
	return []string{
		"-netdev", fmt.Sprintf("stream,id=net,server=off,addr.type=fd,addr.str=%d", fdNIC),
		"-device", string(device),
	}, nil
}
