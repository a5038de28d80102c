package firecracker

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/vmm"
)

// fullDiskNote is what sets this driver's machines apart from others.
const fullDiskNote = "a guest gets I/O errors when the host's disk is full, where QEMU would pause it"

// Look implements vmm.Driver.
func (d *Driver) Look(ctx context.Context, host *vmm.Host, program string) vmm.Finding {
	f := vmm.Finding{Driver: d.Name(), Note: fullDiskNote, Nesting: noNesting(), ConsoleCosts: true}
	var fact vmm.Fact
	f.Program, fact = lookAtProgram(ctx, host, program)
	f.Facts = append(f.Facts, fact)
	if d.jailer {
		f.Facts = append(f.Facts, lookAtJailer(host, f.Program))
	}
	if fact.State != vmm.Missing { // looking makes namespaces
		f.Facts = append(f.Facts, host.TAP(ctx))
	}
	f.Facts = append(f.Facts, host.KVM())
	return f
}

// noNesting: Firecracker passes vmx and svm on where KVM does, and its CPU templates can
// mask them only. Its makers support no hypervisor in a guest, and test none.
func noNesting() vmm.Fact {
	return vmm.Fact{
		About: vmm.AboutNesting, State: vmm.Missing, Reason: "Firecracker does not support it",
		Remedy: "choose a driver such as qemu-kvm for the VM",
	}
}

// lookAtProgram finds Firecracker: the configured path or name, or else that on PATH.
// path is empty when there is none.
func lookAtProgram(ctx context.Context, host *vmm.Host, configured string) (path string, fact vmm.Fact) {
	say := func(state vmm.State, remedy, format string, args ...any) vmm.Fact {
		return vmm.Fact{About: vmm.AboutProgram, State: state, Reason: fmt.Sprintf(format, args...), Remedy: remedy}
	}
	if host.Arch != "amd64" {
		return "", say(vmm.Missing, "use another driver", "banger runs Firecracker on amd64 only, this host is %s", host.Arch)
	}
	name, remedy := configured, "correct firecracker_bin in config.toml, or BANGER_FIRECRACKER_BIN"
	if configured == "" {
		name, remedy = "firecracker", "install Firecracker, or set firecracker_bin in config.toml"
	}
	path, err := host.LookPath(name)
	if err != nil {
		if configured == "" {
			return "", say(vmm.Missing, remedy, "firecracker is not installed, or not on PATH")
		}
		return "", say(vmm.Missing, remedy, "cannot use the configured Firecracker: %v", err)
	}
	out, err := host.QuickVersion(ctx, path)
	if err != nil {
		return path, say(vmm.Missing, "run `"+path+" --version` to see why", "%s does not run: %v", path, err)
	}
	v, ok := programVersion(out)
	remedy = fmt.Sprintf("install Firecracker %d.%d or newer", oldest().major, oldest().minor)
	switch {
	case !ok:
		return path, say(vmm.Missing, remedy, "%s is no Firecracker: it calls itself %q", path, plain.Line(out, maxSaid))
	case v.before(oldest()):
		return path, say(vmm.Missing, remedy, "%s is version %s; banger supports %d.%d and newer", path, v, oldest().major, oldest().minor)
	case v.major != newest().major || v.minor > newest().minor:
		return path, say(vmm.Doubtful, fmt.Sprintf("use a version up to %d.%d if it fails", newest().major, newest().minor),
			"Firecracker %s (%s) is newer than %d.%d, the newest that banger is tested with", v, path, newest().major, newest().minor)
	default:
		return path, say(vmm.Good, "", "Firecracker %s (%s)", v, path)
	}
}

// interpreter is how an executable's head names what a dynamic one needs.
const interpreter = "/ld-linux"

// lookAtJailer says whether this user can run this Firecracker by its jailer.
func lookAtJailer(host *vmm.Host, program string) vmm.Fact {
	missing := func(reason, remedy string) vmm.Fact {
		return vmm.Fact{About: vmm.AboutJail, State: vmm.Missing, Reason: reason, Remedy: remedy}
	}
	const off = ", or set jailer = false in config.toml"
	if !host.Root {
		return missing("Firecracker's jailer needs root, and bangerd runs as "+host.User, "run bangerd as root"+off)
	}
	jailer, err := host.LookPath(filepath.Join(filepath.Dir(program), "jailer"))
	if err != nil {
		return missing("there is no jailer beside "+program, "install the jailer of the same version there"+off)
	}
	if head, err := host.ReadHead(program, 4<<10); err == nil && bytes.Contains(head, []byte(interpreter)) {
		return missing(program+" is dynamically linked, and finds no libraries in a jail", "install a static Firecracker, as its releases are"+off)
	}
	return vmm.Fact{About: vmm.AboutJail, State: vmm.Good, Reason: "Firecracker runs by " + jailer}
}

// Boots implements vmm.Driver: before 1.17 Firecracker loads ELF kernels only, which
// banger makes of every amd64 kernel, and starts one without a PVH entry point by the
// Linux boot protocol.
func (*Driver) Boots(k vmm.Kernel) error {
	if k.Architecture != "" && k.Architecture != "amd64" {
		return fault.New(fault.Invalid, "Firecracker cannot boot kernel %q: it is for %s", k.Name, k.Architecture)
	}
	return nil
}
