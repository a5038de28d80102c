// Package qemu runs one machine on QEMU's microvm: the process, its QMP
// socket, and the agent channel by Firecracker's hybrid vsock contract.
package qemu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Binary is a QEMU executable.
type Binary struct {
	Path    string
	Version string // "7.2.22"
}

// versionTimeout bounds `qemu --version`, which loads a hundred libraries.
const versionTimeout = 10 * time.Second

// BinaryName is the emulator's file name for this host's architecture.
func BinaryName() string {
	if runtime.GOARCH == "arm64" {
		return "qemu-system-aarch64"
	}
	return "qemu-system-x86_64"
}

// Find returns the path of the QEMU executable without running it: configured,
// if that is not empty, else from PATH and the places where distributions put
// it. A missing one is Unavailable, with a hint.
func Find(configured string) (string, error) {
	if configured != "" {
		if err := executable(configured); err != nil {
			return "", fault.Wrap(fault.Unavailable, err, "the configured QEMU %s cannot be used", configured).
				WithHint("correct the path in config.toml")
		}
		return configured, nil
	}
	name := BinaryName()
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/bin", "/usr/local/bin", "/usr/libexec"} {
		path := filepath.Join(dir, name)
		if executable(path) == nil {
			return path, nil
		}
	}
	return "", fault.New(fault.Unavailable, "%s is not installed", name).
		WithHint("sudo apt-get install qemu-system-%s", map[bool]string{true: "arm", false: "x86"}[runtime.GOARCH == "arm64"])
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}

// Probe finds QEMU as Find does and asks it for its version. It takes about
// 50 ms, ends with ctx, and changes nothing.
func Probe(ctx context.Context, configured string) (Binary, error) {
	path, err := Find(configured)
	if err != nil {
		return Binary{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Binary{}, fault.Wrap(fault.Unavailable, err, "run %s --version", path)
	}
	version, err := parseVersion(string(out))
	if err != nil {
		return Binary{}, fault.Wrap(fault.Unavailable, err, "%s is not QEMU", path)
	}
	return Binary{Path: path, Version: version}, nil
}

func parseVersion(out string) (string, error) {
	m := regexp.MustCompile(`^QEMU emulator version (\d+(?:\.\d+)+)`).FindStringSubmatch(out)
	if m == nil {
		line, _, _ := strings.Cut(out, "\n")
		return "", fmt.Errorf("unexpected answer %.80q", line)
	}
	return m[1], nil
}

// KVM reports whether this host can run VMs with hardware virtualisation. A
// nil error means yes; otherwise the error says why not. On x86, /dev/kvm must
// open read-write and the CPU must show vmx or svm: there are hosts whose
// /dev/kvm opens and cannot boot an ordinary kernel.
func KVM() error {
	return kvmUsable("/dev/kvm", "/proc/cpuinfo", runtime.GOARCH)
}

func kvmUsable(device, cpuinfo, arch string) error {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.New(fault.Unavailable, "%s does not exist", device).
			WithHint("enable virtualisation in the firmware and load kvm_intel or kvm_amd")
	case errors.Is(err, os.ErrPermission):
		return fault.New(fault.PermissionDenied, "%s cannot be opened by this user", device).
			WithHint("sudo usermod -aG kvm $USER, then log in again")
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "%s cannot be used", device)
	}
	_ = f.Close() // opened only to see whether it opens
	if arch != "amd64" {
		return nil
	}
	ok, err := cpuHas(cpuinfo, "vmx", "svm")
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the CPU's features are not known")
	}
	if !ok {
		return fault.New(fault.Unavailable, "%s opens, but the CPU shows neither vmx nor svm", device).
			WithHint("this host has no usable hardware virtualisation; VMs run in software emulation")
	}
	return nil
}

// cpuHas reports whether the first "flags" line of cpuinfo has one of names.
func cpuHas(cpuinfo string, names ...string) (bool, error) {
	f, err := os.Open(cpuinfo)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, flags, ok := strings.Cut(lines.Text(), ":")
		if !ok || strings.TrimSpace(key) != "flags" {
			continue
		}
		for flag := range strings.FieldsSeq(flags) {
			if slices.Contains(names, flag) {
				return true, nil
			}
		}
		return false, nil
	}
	return false, lines.Err()
}
