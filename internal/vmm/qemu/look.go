package qemu

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// The oldest QEMU that banger is tested with.
const oldestMajor, oldestMinor = 7, 2

// emulationNote is QEMU's own policy: docs/system/security.rst there.
const emulationNote = "QEMU does not call its emulation a security boundary: see docs/security.md"

// Look implements vmm.Driver.
func (d *Driver) Look(ctx context.Context, host *vmm.Host, program string) vmm.Finding {
	f := vmm.Finding{Driver: d.Name()}
	var fact vmm.Fact
	f.Program, fact = lookAtProgram(ctx, host, program)
	f.Facts = append(f.Facts, fact)
	if d.kvm {
		f.Facts = append(f.Facts, host.KVM())
		f.Nesting = host.Nesting()
	} else {
		f.Note = emulationNote
		f.Nesting = emulatedNesting(host.Arch)
	}
	return f
}

// emulatedNesting: QEMU emulates AMD's virtualisation, whatever the host's CPU is.
func emulatedNesting(arch string) vmm.Fact {
	if arch != "amd64" {
		return vmm.Fact{About: vmm.AboutNesting, State: vmm.Missing, Reason: "banger nests VMs on amd64 only", Remedy: "use an amd64 host"}
	}
	return vmm.Fact{About: vmm.AboutNesting, State: vmm.Good, Reason: "QEMU emulates a CPU with svm"}
}

// lookAtProgram finds QEMU: the configured path or name, or else that of the
// architecture. path is empty when there is none.
func lookAtProgram(ctx context.Context, host *vmm.Host, configured string) (path string, fact vmm.Fact) {
	say := func(state vmm.State, remedy, format string, args ...any) vmm.Fact {
		return vmm.Fact{About: vmm.AboutProgram, State: state, Reason: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	if configured != "" {
		found, err := host.LookPath(configured)
		if err != nil {
			return "", say(vmm.Missing, "correct qemu in config.toml, or BANGER_QEMU", "cannot use the configured QEMU: %v", err)
		}
		path = found
	} else {
		name, pkg := "qemu-system-x86_64", "qemu-system-x86"
		if host.Arch == "arm64" {
			name, pkg = "qemu-system-aarch64", "qemu-system-arm"
		}
		found, err := host.LookPath(name)
		if err != nil {
			return "", say(vmm.Missing, "sudo apt-get install "+pkg, "%s is not installed, or not on PATH", name)
		}
		path = found
	}
	out, err := host.Version(ctx, path)
	if err != nil {
		return path, say(vmm.Missing, "run `"+path+" --version` to see why", "%s does not run: %v", path, err)
	}
	version, major, minor, ok := parseVersion(out)
	switch {
	case !ok:
		return path, say(vmm.Doubtful, "set qemu in config.toml to a QEMU system emulator", "%s reports no version: %q", path, firstLine(out))
	case major < oldestMajor || major == oldestMajor && minor < oldestMinor:
		return path, say(vmm.Doubtful, fmt.Sprintf("install QEMU %d.%d or newer", oldestMajor, oldestMinor),
			"%s is version %s; banger is tested from %d.%d on", path, version, oldestMajor, oldestMinor)
	default:
		return path, say(vmm.Good, "", "QEMU %s (%s)", version, path)
	}
}

func parseVersion(out string) (version string, major, minor int, ok bool) {
	m := regexp.MustCompile(`version (([0-9]{1,4})\.([0-9]{1,4})[0-9.]*)`).FindStringSubmatch(out)
	if m == nil {
		return "", 0, 0, false
	}
	major, _ = strconv.Atoi(m[2]) // four digits are always a number
	minor, _ = strconv.Atoi(m[3])
	return m[1], major, minor, true
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line[:min(len(line), 200)]
}

// Boots implements vmm.Driver: microvm has no firmware that could load anything
// but an ELF kernel by its PVH entry point.
func (*Driver) Boots(k vmm.Kernel) error {
	if k.Architecture == "amd64" && !k.PVH {
		return fault.New(fault.Invalid, "QEMU cannot boot kernel %q: it has no PVH entry point", k.Name).
			WithHint("import a kernel built with CONFIG_PVH=y, such as Debian's, Alpine's or Void's, or use the driver firecracker")
	}
	return nil
}
