package vm

import (
	"regexp"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/plain"
)

// MinMemoryBytes and MinDiskBytes are the least a VM can have. With less memory
// a distribution's kernel cannot unpack its initramfs.
const (
	MinMemoryBytes = 128 * mib
	MinDiskBytes   = image.MinDiskBytes
)

const (
	mib = 1 << 20

	maxNameLen    = 63 // RFC 1123, section 2.1
	maxEnvBytes   = 128 << 10
	maxLabels     = 64
	maxLabelValue = 256
	labelKeyRule  = `^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$`
)

// ValidateName checks that a name is an RFC 1123 label in lower case, and no
// id, nor a name that stands for something else. The fault is Invalid.
func ValidateName(name string) error {
	if err := validateLabel("VM", name); err != nil {
		return err
	}
	if name == HostName || name == GatewayName || name == "localhost" {
		return fault.New(fault.Invalid, "VM name %q is not valid: %s is not a VM", name, name+NameSuffix).WithHint("choose another name")
	}
	return nil
}

// validateLabel checks the name of something, such as "VM". The fault is Invalid.
func validateLabel(what, name string) error {
	ok := name != "" && len(name) <= maxNameLen && name[0] != '-' && name[len(name)-1] != '-'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !ok {
		return fault.New(fault.Invalid, "%s name %q is not valid", what, plain.Value(name)).
			WithHint("use 1 to %d lower-case letters, digits and hyphens, with no hyphen at either end", maxNameLen)
	}
	if ids.Like(name) {
		return fault.New(fault.Invalid, "%s name %q is not valid: it looks like an ID", what, name).
			WithHint("choose another name")
	}
	return nil
}

// NameSuffix makes the DNS name of a VM of its name, on the host and in guests.
const NameSuffix = ".vm"

// The names under NameSuffix that are no VM's: the host's own, and that of a
// guest's gateway.
const (
	HostName    = "host"
	GatewayName = "gateway"
)

func validateVCPU(n int, host HostFacts) error {
	switch {
	case n <= 0:
		return fault.New(fault.Invalid, "vcpu %d is not valid", n).WithHint("leave it out for the default, or give at least 1")
	case n > host.CPUs:
		return fault.New(fault.Invalid, "vcpu %d is more than this host's %d CPUs", n, host.CPUs).
			WithHint("give at most %d", host.CPUs)
	}
	return nil
}

func validateMemory(n int64, host HostFacts) error {
	return validateSize("memory", n, MinMemoryBytes, host.MemoryBytes, "memory")
}

func validateDisk(n int64, host HostFacts) error {
	return validateSize("disk", n, MinDiskBytes, host.DiskBytes, "disk")
}

func validateSize(what string, n, least, most int64, of string) error {
	switch {
	case n <= 0:
		return fault.New(fault.Invalid, "%s size %d is not valid", what, n).
			WithHint("leave it out for the default, or give at least %s", fault.Bytes(least))
	case n < least:
		return fault.New(fault.Invalid, "%s size %s is too small", what, fault.Bytes(n)).
			WithHint("give at least %s", fault.Bytes(least))
	case n > most:
		return fault.New(fault.Invalid, "%s size %s is more than this host's %s of %s", what, fault.Bytes(n), fault.Bytes(most), of).
			WithHint("give at most %d MiB", most/mib)
	}
	return nil
}

// roundUp makes a valid size a whole number of MiB.
func roundUp(n int64) int64 { return (n + mib - 1) / mib * mib }

func validateInit(m InitMode) error {
	switch m {
	case InitAuto, InitImage, InitAgent:
		return nil
	default:
		return fault.New(fault.Invalid, "init mode %q is not known", plain.Value(string(m))).WithHint("use auto, image or agent")
	}
}

func validateEnv(env []string) error {
	total := 0
	for _, entry := range env {
		key, _, ok := strings.Cut(entry, "=")
		if !ok || key == "" || strings.ContainsRune(entry, 0) {
			return fault.New(fault.Invalid, "environment entry %q is not valid", plain.Value(entry)).WithHint("write NAME=VALUE")
		}
		total += len(entry)
	}
	if total > maxEnvBytes {
		return fault.New(fault.Invalid, "the environment has %d bytes", total).WithHint("give at most %d", maxEnvBytes)
	}
	return nil
}

func validateLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fault.New(fault.Invalid, "%d labels are too many", len(labels)).WithHint("give at most %d", maxLabels)
	}
	rule := regexp.MustCompile(labelKeyRule)
	for key, value := range labels {
		if !rule.MatchString(key) {
			return fault.New(fault.Invalid, "label key %q is not valid", plain.Value(key)).
				WithHint("use 1 to 63 letters, digits, and . _ / - in between")
		}
		if len(value) > maxLabelValue || strings.ContainsFunc(value, func(r rune) bool { return !plain.Shows(r) }) {
			return fault.New(fault.Invalid, "the value of label %q is not valid", key).
				WithHint("use at most %d bytes of text, on one line and without unprintable characters", maxLabelValue)
		}
	}
	return nil
}
