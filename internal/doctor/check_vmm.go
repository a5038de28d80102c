package doctor

import (
	"context"
	"regexp"
	"strconv"
	"strings"
)

// The oldest QEMU that banger is tested with.
const oldestQEMUMajor, oldestQEMUMinor = 7, 2

func (w World) qemu() string {
	switch {
	case w.Settings.QEMU != "":
		return w.Settings.QEMU
	case w.Arch == "arm64":
		return "qemu-system-aarch64"
	default:
		return "qemu-system-x86_64"
	}
}

func qemuPackage(arch string) string {
	if arch == "arm64" {
		return "qemu-system-arm"
	}
	return "qemu-system-x86"
}

func checkVMM(ctx context.Context, w World) verdict {
	name := w.qemu()
	path, err := w.LookPath(name)
	if err != nil {
		return fail("sudo apt-get install "+qemuPackage(w.Arch), "%s is not installed, or not on PATH", name)
	}
	out, err := w.Output(ctx, path, "--version")
	if err != nil {
		return fail("run `"+path+" --version` to see why", "%s does not run: %v", path, err)
	}
	version, major, minor, found := parseQEMUVersion(out)
	switch {
	case !found:
		return warn("set qemu in config.toml to a QEMU system emulator", "%s says no version: %q", path, firstLine(out))
	case major < oldestQEMUMajor || major == oldestQEMUMajor && minor < oldestQEMUMinor:
		return warn("install QEMU 7.2 or newer", "%s is version %s; banger is tested from %d.%d on",
			path, version, oldestQEMUMajor, oldestQEMUMinor)
	default:
		return ok("QEMU %s (%s)", version, path)
	}
}

func parseQEMUVersion(out string) (version string, major, minor int, found bool) {
	m := regexp.MustCompile(`version (([0-9]{1,4})\.([0-9]{1,4})[0-9.]*)`).FindStringSubmatch(out)
	if m == nil {
		return "", 0, 0, false
	}
	major, _ = strconv.Atoi(m[2])
	minor, _ = strconv.Atoi(m[3])
	return m[1], major, minor, true
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line[:min(len(line), 200)]
}
