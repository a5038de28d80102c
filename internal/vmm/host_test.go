package vmm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestLookPathIsAbsolute(t *testing.T) {
	dir := t.TempDir()
	script(t, filepath.Join(dir, "vmm"), "")
	t.Chdir(dir)
	for _, name := range []string{"./vmm", filepath.Join(dir, "vmm")} {
		if got, err := lookPath(name); err != nil || got != filepath.Join(dir, "vmm") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"./none", dir, "no-such-vmm"} {
		if got, err := lookPath(name); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestKVMNeedsTheDeviceAndTheCPU(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: KVMDevice, Err: fs.ErrPermission}
	busy := &fs.PathError{Op: "open", Path: KVMDevice, Err: errors.New("no such device")}
	for _, c := range []struct {
		name           string
		device         error
		arch, cpuinfo  string
		state          State
		reason, remedy string
	}{
		{"intel", nil, "amd64", "processor: 0\nflags\t\t: fpu vmx sse\n", Good, "opens and the CPU supports virtualisation", ""},
		{"amd", nil, "amd64", "flags : fpu svm\n", Good, "virtualisation", ""},
		{"arm", nil, "arm64", "Features : fp\n", Good, "virtualisation", ""},
		{"no device", fs.ErrNotExist, "amd64", "flags : vmx\n", Missing, "/dev/kvm does not exist", "firmware"},
		{"not allowed", denied, "amd64", "flags : vmx\n", Missing, "does not open for ann", "usermod -aG kvm ann"},
		{"in use", syscall.EBUSY, "amd64", "flags : vmx\n", Missing, "another hypervisor", "VirtualBox"},
		{"another device", errNotKVM, "amd64", "flags : vmx\n", Missing, "/dev/kvm is not the device of KVM", "module again"},
		{"no module", busy, "amd64", "flags : vmx\n", Missing, "no such device", "module"},
		{"no flags", nil, "amd64", "flags\t\t: fpu svmx\nbugs : vmx\n", Missing, "neither vmx nor svm", "nested"},
		{"only a word", nil, "amd64", "vmx flags\t: none\n", Missing, "neither vmx nor svm", "nested"},
		{"no flags and not allowed", denied, "amd64", "flags : fpu\n", Missing, "neither vmx nor svm", "nested"},
		{"no cpuinfo", nil, "amd64", "", Missing, "neither vmx nor svm", "nested"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := &Host{
				Arch: c.arch, User: "ann", OpenRW: func(string) error { return c.device },
				ReadHead: func(string, int64) ([]byte, error) { return []byte(c.cpuinfo), nil },
			}
			got := host.KVM()
			if got.About != AboutKVM || got.State != c.state || !strings.Contains(got.Reason, c.reason) ||
				!strings.Contains(got.Remedy, c.remedy) || (got.Remedy == "") != (c.state == Good) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestOnlyKVMAnswersAsKVM(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{"/dev/null": errNotKVM, "/dev/ptmx": errNotKVM, plain: errNotKVM, KVMDevice: nil} {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Logf("not tried: %v", err)
			continue
		}
		if got := checkKVM(f); !errors.Is(got, want) {
			t.Errorf("%s: %v", path, got)
		}
		_ = f.Close()
	}
}

func TestTheFirstMissingFactIsTheCause(t *testing.T) {
	f := Finding{Facts: []Fact{{About: AboutProgram, State: Doubtful, Reason: "old", Remedy: "newer"}, {About: AboutKVM, State: Good}}}
	if _, bad := f.Cause(); bad || f.Err() != nil {
		t.Errorf("what works is blamed: %v", f.Err())
	}
	f.Facts = append(f.Facts, Fact{State: Missing, Reason: "100% gone", Remedy: "this"}, Fact{State: Missing, Reason: "too"})
	if err := f.Err(); !errors.Is(err, fault.Unavailable) || err.Error() != "100% gone" || fault.HintOf(err).String() != "this" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err).String())
	}
	if _, ok := f.Fact(AboutKVM); !ok {
		t.Error("a fact is not found")
	}
}
