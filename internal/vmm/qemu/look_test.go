package qemu

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// healthy is a host with QEMU and KVM.
func healthy() *vmm.Host {
	return &vmm.Host{
		Arch: "amd64", User: "ann",
		LookPath: func(name string) (string, error) { return "/usr/bin/" + name, nil },
		Version: func(context.Context, string) (string, error) {
			return "QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright", nil
		},
		OpenRW:   func(string) error { return nil },
		ReadHead: func(string, int64) ([]byte, error) { return []byte("flags : vmx\n"), nil },
	}
}

func TestLookAtTheProgram(t *testing.T) {
	says := func(text string, err error) func(*vmm.Host) {
		return func(h *vmm.Host) {
			h.Version = func(context.Context, string) (string, error) { return text, err }
		}
	}
	gone := func(h *vmm.Host) { h.LookPath = func(string) (string, error) { return "", exec.ErrNotFound } }
	for _, c := range []struct {
		name           string
		change         func(*vmm.Host)
		configured     string
		path           string
		state          vmm.State
		reason, remedy string
	}{
		{"there", func(*vmm.Host) {}, "", "/usr/bin/qemu-system-x86_64", vmm.Good, "QEMU 7.2.22 (/usr/bin/qemu-system-x86_64)", ""},
		{"of arm64", func(h *vmm.Host) { h.Arch = "arm64" }, "", "/usr/bin/qemu-system-aarch64", vmm.Good, "7.2.22", ""},
		{"configured by name", func(*vmm.Host) {}, "qemu-10", "/usr/bin/qemu-10", vmm.Good, "/usr/bin/qemu-10", ""},
		{"newer", says("QEMU emulator version 10.0.2\n", nil), "", "/usr/bin/qemu-system-x86_64", vmm.Good, "QEMU 10.0.2", ""},
		{"older", says("QEMU emulator version 5.2.0", nil), "", "/usr/bin/qemu-system-x86_64", vmm.Doubtful, "5.2.0", "7.2 or newer"},
		{"another program", says("hello\n", nil), "", "/usr/bin/qemu-system-x86_64", vmm.Doubtful, `"hello"`, "config.toml"},
		{"broken", says("", errors.New("exec format error")), "", "/usr/bin/qemu-system-x86_64", vmm.Missing, "exec format error", "--version"},
		{"not there", gone, "", "", vmm.Missing, "qemu-system-x86_64 is not installed", "apt-get install qemu-system-x86"},
		{"not there on arm64", func(h *vmm.Host) { gone(h); h.Arch = "arm64" }, "", "", vmm.Missing, "aarch64", "apt-get install qemu-system-arm"},
		{"configured, not there", gone, "/x/q", "", vmm.Missing, "the configured QEMU", "correct qemu in config.toml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := healthy()
			c.change(host)
			for _, d := range []*Driver{KVM(), TCG()} {
				f := d.Look(t.Context(), host, c.configured)
				fact, _ := f.Fact(vmm.AboutProgram)
				if f.Driver != d.Name() || f.Program != c.path || fact.State != c.state ||
					!strings.Contains(fact.Reason, c.reason) || !strings.Contains(fact.Remedy, c.remedy) || (fact.Remedy == "") != (c.state == vmm.Good) {
					t.Errorf("%s: %+v", d.Name(), f)
				}
			}
		})
	}
}

func TestOnlyTheOneNeedsKVM(t *testing.T) {
	host := healthy()
	if err := KVM().Look(t.Context(), host, "").Err(); err != nil {
		t.Error(err)
	}
	host.OpenRW = func(string) error { return fs.ErrNotExist }
	if err := KVM().Look(t.Context(), host, "").Err(); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "/dev/kvm") {
		t.Errorf("without KVM: %v", err)
	}
	f := TCG().Look(t.Context(), host, "")
	if _, looked := f.Fact(vmm.AboutKVM); f.Err() != nil || looked || !strings.Contains(f.Note, "security boundary") {
		t.Errorf("emulation: %+v", f)
	}
	// What both lack is blamed before what only one needs.
	host.LookPath = func(string) (string, error) { return "", exec.ErrNotFound }
	if cause, _ := KVM().Look(t.Context(), host, "").Cause(); cause.About != vmm.AboutProgram {
		t.Errorf("without QEMU: %+v", cause)
	}
}

func TestNestingIsTheModulesOrTheEmulations(t *testing.T) {
	host := healthy()
	if f := KVM().Look(t.Context(), host, ""); f.NestingErr() == nil || f.Err() != nil {
		t.Errorf("KVM whose modules say nothing: %v, %v", f.NestingErr(), f.Err())
	}
	if f := TCG().Look(t.Context(), host, ""); f.NestingErr() != nil {
		t.Errorf("emulation: %v", f.NestingErr())
	}
	host.Arch = "arm64"
	if f := TCG().Look(t.Context(), host, ""); f.NestingErr() == nil || f.Err() != nil {
		t.Errorf("emulation of arm64: %v, %v", f.NestingErr(), f.Err())
	}
}

func TestBoots(t *testing.T) {
	for _, c := range []struct {
		kernel vmm.Kernel
		ok     bool
	}{
		{vmm.Kernel{Name: "k", Architecture: "amd64", PVH: true}, true},
		{vmm.Kernel{Name: "k", Architecture: "amd64"}, false},
		{vmm.Kernel{Name: "k", Architecture: "arm64"}, true},
	} {
		err := TCG().Boots(c.kernel)
		if (err == nil) != c.ok || err != nil && (!errors.Is(err, fault.Invalid) || fault.HintOf(err).String() == "") {
			t.Errorf("%+v: %v", c.kernel, err)
		}
	}
}

func TestOnlyTheOneMayOpenKVM(t *testing.T) {
	for d, want := range map[*Driver]bool{KVM(): true, TCG(): false} {
		needs := d.Needs("/opt/q/bin/qemu-system-x86_64")
		if slices.Contains(needs.Devices, vmm.KVMDevice) != want {
			t.Errorf("%s may open %v", d.Name(), needs.Devices)
		}
		if !slices.Contains(needs.Read, "/opt/q/share/qemu") {
			t.Errorf("%s may read %v", d.Name(), needs.Read)
		}
	}
}
