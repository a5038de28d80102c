package firecracker

import (
	"bytes"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

// fake makes this test's binary be Firecracker, and returns a machine for it.
func fake(t *testing.T, how string) vmm.Spec {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, fakeName+url.QueryEscape(how))
	if err := os.Symlink(self(t), program); err != nil {
		t.Fatal(err)
	}
	spec := vmm.Spec{
		Name: "web.one", Program: program, VCPU: 1, MemoryBytes: 256 << 20,
		Kernel: filepath.Join(dir, "vmlinux"), Initramfs: filepath.Join(dir, "initramfs"),
		Disks: []vmm.Disk{{Name: "banger-image", Path: filepath.Join(dir, "image"), ReadOnly: true}, {Name: "banger-vm", Path: filepath.Join(dir, "disk")}},
	}
	for _, path := range []string{spec.Kernel, spec.Initramfs, spec.Disks[0].Path, spec.Disks[1].Path} {
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return spec
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheDriverKeepsTheContractWithoutKVM(t *testing.T) {
	for _, version := range []string{"1.15.1", "1.16.1"} { // which pause in different ways
		t.Run(version, func(t *testing.T) {
			vmmtest.Contract(t, vmmtest.Rig{
				New: func() vmm.Driver { return hurried() }, Spec: fake(t, "version="+version), Port: 7, Limit: time.Minute,
				Confine: []string{self(t), "confine"}, CannotSave: true,
			})
		})
	}
}

// start starts a machine in a new directory, which must be empty when it does not.
func start(t *testing.T, d *Driver, spec vmm.Spec) (vmm.Machine, error) {
	t.Helper()
	dir := t.TempDir()
	var console bytes.Buffer
	m, err := d.Start(t.Context(), spec, vmm.Site{Dir: dir, Console: &console, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Cleanup(func() {
			_ = m.Signal(syscall.SIGKILL)
			for range m.Events() {
			}
		})
		return m, nil
	}
	left, readErr := os.ReadDir(dir)
	if readErr != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, readErr)
	}
	return nil, err
}

func TestAFirecrackerThatDoesNotComeUp(t *testing.T) {
	cases := map[string]string{
		"die":               "Firecracker: exit status 153: ArgParsing(odd)",
		"words":             "Firecracker: Error creating KVM object: odd (exit status 1)",
		"kill=GET /version": "Firecracker: killed by SIGKILL",
		"kill=PUT /vsock":   "Firecracker: killed by SIGKILL",
		"kill=PUT /actions": "Firecracker: killed by SIGKILL",
		"version=1.14.2":    "Firecracker 1.14.2 is too old",
		"version=new":       `the version is "new"`,
		"hang=GET /version": "context deadline exceeded",
		"hang=PUT /vsock":   "context deadline exceeded",
		"hang=PUT /actions": "context deadline exceeded",
		"mute":              "context deadline exceeded",
	}
	for _, call := range []string{
		"GET /version", "PUT /metrics", "PUT /machine-config", "PUT /cpu-config", "PUT /boot-source", "PUT /drives/disk0", "PUT /drives/disk1", "PUT /vsock", "PUT /entropy", "PUT /balloon", "PUT /actions",
	} {
		cases["refuse="+call] = "Firecracker did not start the guest: refused on purpose"
	}
	for how, want := range cases {
		t.Run(how, func(t *testing.T) {
			d := New()
			if strings.Contains(want, "deadline") {
				d.limits.api, d.limits.call, d.limits.boot = time.Second, 300*time.Millisecond, 300*time.Millisecond
			}
			_, err := start(t, d, fake(t, how))
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}

// hurried is a driver that looks soon whether a guest has halted. The fake's does not idle.
func hurried() *Driver {
	d := New()
	d.waits = patience{look: 10 * time.Millisecond, still: 300 * time.Millisecond}
	return d
}

func TestWhatCannotBeStarted(t *testing.T) {
	spec := fake(t, "")
	many := spec
	many.VCPU = 33
	wordy := spec
	wordy.CmdlineExtra = strings.Repeat("x", maxCommandLine)
	gone := spec
	gone.Disks = []vmm.Disk{{Name: "d", Path: "/nonexistent"}}
	noKernel := spec
	noKernel.Kernel = "/nonexistent"
	for want, s := range map[string]vmm.Spec{
		"cannot have 33 vCPUs": many, "the kernel's command line has": wordy, "cannot use a disk": gone,
		"The kernel file cannot be opened: No such file or directory": noKernel,
	} {
		if _, err := start(t, New(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestADirectoryWhosePathIsLong(t *testing.T) {
	spec := fake(t, "")
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, apiSocket)
	if err := os.WriteFile(stale, nil, 0o600); err != nil { // what a monitor that was killed leaves
		t.Fatal(err)
	}
	m, err := New().Start(t.Context(), spec, vmm.Site{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	for e := range m.Events() {
		if e.Exit.Cause != vmm.HostShutdown {
			t.Errorf("%+v", e)
		}
	}
}

func TestSignalsThatFirecrackerCatchesAreTold(t *testing.T) {
	m, err := start(t, New(), fake(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Signal(syscall.SIGTERM); err != nil { // also a paused one ends by it
		t.Fatal(err)
	}
	var last vmm.Event
	for last = range m.Events() {
	}
	if last.Exit.Cause != vmm.HostShutdown || last.Exit.Signal != 0 {
		t.Errorf("%+v", last)
	}
}

func TestCommandLine(t *testing.T) {
	spec := vmm.Spec{CmdlineExtra: "extra=1"}
	for console, words := range map[bool][2]string{true: {"console=ttyS0", "nr_uarts"}, false: {"8250.nr_uarts=0", "ttyS0"}} {
		line := commandLine(spec, console)
		if !strings.Contains(line, words[0]) || strings.Contains(line, words[1]) || !strings.HasSuffix(line, " extra=1") || !strings.Contains(line, "reboot=k panic=-1") {
			t.Errorf("%v: %s", console, line)
		}
	}
}

func TestALogLineLosesItsTime(t *testing.T) {
	for line, want := range map[string]string{
		"2026-11-29T22:44:23.1 [anonymous-instance:fc_api] Received Error.\n":          "Received Error.",
		"2026-11-29T22:44:23.1 [x:main] Running Firecracker v1.16.1\n":                 "",
		"2026-11-29T22:44:23.1 [x:main] Firecracker exiting with error. exit_code=1\n": "",
		"odd\n": "", "": "", "2026 [x:main] \x1b[31mred\n": "?[31mred",
	} {
		if got := said(line); got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// TestARealFirecrackerTakesTheDescription needs no KVM: the start fails for the kernel, which
// is none, or for KVM, after Firecracker has opened its log, its metrics and the disks under
// its confinement.
func TestARealFirecrackerTakesTheDescription(t *testing.T) {
	program := os.Getenv("BANGER_E2E_FIRECRACKER")
	if program == "" {
		t.Skip("BANGER_E2E_FIRECRACKER names no Firecracker")
	}
	spec := fake(t, "")
	spec.Program = program
	_, err := New().Start(t.Context(), spec, vmm.Site{Dir: t.TempDir(), Confine: []string{self(t), "confine"}, Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "Start microvm error") && !strings.Contains(err.Error(), "KVM") {
		t.Errorf("%v", err)
	}
}
