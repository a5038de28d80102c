package doctor

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
)

const kvmDevice = "/dev/kvm"

// kvm says whether KVM can boot an ordinary kernel here, or why not. The device
// alone proves nothing: it opens on hosts whose processor has no virtualisation
// to offer.
func (w World) kvm() (usable bool, why, remedy string) {
	err := w.OpenRW(kvmDevice)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, kvmDevice + " does not exist", "switch virtualisation on in the firmware, or nested virtualisation on in the host of this machine"
	case w.Arch == "amd64" && !w.cpuVirtualises():
		return false, "/proc/cpuinfo shows neither vmx nor svm", "ask for nested virtualisation from whoever runs the host of this machine"
	case errors.Is(err, fs.ErrPermission):
		return false, kvmDevice + " does not open for " + w.User, "sudo usermod -aG kvm " + w.User + ", then log in again"
	case err != nil:
		return false, kvmDevice + " does not open: " + err.Error(), "load the kvm_intel or kvm_amd module"
	default:
		return true, kvmDevice + " opens and the processor virtualises", ""
	}
}

func (w World) cpuVirtualises() bool {
	// The flags of the first processor stand in its first few kilobytes.
	head, err := w.readHead("/proc/cpuinfo", 64<<10)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(head) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		if string(bytes.TrimSpace(key)) != "flags" {
			continue
		}
		flags := bytes.Fields(value)
		has := func(flag string) bool {
			return slices.ContainsFunc(flags, func(f []byte) bool { return string(f) == flag })
		}
		return has("vmx") || has("svm")
	}
	return false
}

func checkKVM(_ context.Context, w World) verdict {
	usable, why, remedy := w.kvm()
	if !usable {
		return warn(remedy, "%s: VMs run on software emulation, several times slower", why)
	}
	return ok("%s", why)
}
