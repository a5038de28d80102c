package vmm

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// KVMDevice is the device of KVM.
const KVMDevice = "/dev/kvm"

// KVM says whether KVM can boot an ordinary kernel on the host. The device alone
// proves nothing: it opens on hosts whose processor has no virtualisation to
// offer.
func (h *Host) KVM() Fact {
	missing := func(reason, remedy string) Fact {
		return Fact{About: AboutKVM, State: Missing, Reason: reason, Remedy: remedy}
	}
	err := h.OpenRW(KVMDevice)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing(KVMDevice+" does not exist", "enable virtualisation in the firmware, or nested virtualisation on the machine that runs this host")
	case h.Arch == "amd64" && !h.virtualises():
		return missing("/proc/cpuinfo shows neither vmx nor svm", "ask the provider of this host to enable nested virtualisation")
	case errors.Is(err, fs.ErrPermission):
		return missing(KVMDevice+" does not open for "+h.User, "sudo usermod -aG kvm "+h.User+", then log in again")
	case errors.Is(err, syscall.EBUSY):
		return missing(KVMDevice+" is in use by another hypervisor", "stop the other hypervisor, such as VirtualBox")
	case errors.Is(err, errNotKVM):
		return missing(KVMDevice+" is not the device of KVM", "sudo rm "+KVMDevice+", then load the kvm_intel or kvm_amd module again")
	case err != nil:
		return missing(KVMDevice+" does not open: "+err.Error(), "load the kvm_intel or kvm_amd module")
	default:
		return Fact{About: AboutKVM, State: Good, Reason: KVMDevice + " opens and the CPU supports virtualisation"}
	}
}

// maxCPUInfo is enough of /proc/cpuinfo for the flags of the first processor.
const maxCPUInfo = 64 << 10

func (h *Host) virtualises() bool {
	head, err := h.ReadHead("/proc/cpuinfo", maxCPUInfo)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(head) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		if string(bytes.TrimSpace(key)) != "flags" {
			continue
		}
		return slices.ContainsFunc(bytes.Fields(value), func(flag []byte) bool {
			return string(flag) == "vmx" || string(flag) == "svm"
		})
	}
	return false
}

func readHead(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}

// errNotKVM says that a file is not the device of KVM.
var errNotKVM = errors.New("it does not answer as KVM")

func openRW(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if path == KVMDevice {
		return checkKVM(f)
	}
	return nil
}

// The ioctl KVM_GET_API_VERSION, and its only answer since Linux 2.6.22.
const (
	kvmGetAPIVersion = 0xAE00
	kvmAPIVersion    = 12
)

// checkKVM asks the device whether it is KVM's. One that this process may not ask passes: a
// monitor's confinement may leave it no ioctls of devices.
func checkKVM(f *os.File) error {
	n, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), kvmGetAPIVersion, 0)
	if errno == syscall.EACCES || errno == syscall.EPERM || errno == 0 && n == kvmAPIVersion {
		return nil
	}
	return errNotKVM
}
