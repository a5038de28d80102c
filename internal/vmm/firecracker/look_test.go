package firecracker

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// host is one on which all is there, with a Firecracker of this version.
func host(version string) *vmm.Host {
	return &vmm.Host{
		Arch: "amd64", User: "ann",
		LookPath:   func(name string) (string, error) { return "/opt/" + name, nil },
		Version:    func(context.Context, string) (string, error) { return version, nil },
		OpenRW:     func(string) error { return nil },
		ReadHead:   func(string, int64) ([]byte, error) { return []byte("flags : fpu svm\n"), nil },
		Namespaces: func(context.Context) error { return nil },
	}
}

func TestLook(t *testing.T) {
	denied := &fs.PathError{Op: "exec", Path: "/opt/firecracker", Err: fs.ErrPermission}
	for _, c := range []struct {
		name, program  string
		change         func(*vmm.Host)
		version        string
		state          vmm.State // of the program
		reason, remedy string
	}{
		{"good", "", nil, "Firecracker v1.16.1\n\nexiting", vmm.Good, "Firecracker 1.16.1 (/opt/firecracker)", ""},
		{"configured", "fc", nil, "Firecracker v1.15.0", vmm.Good, "(/opt/fc)", ""},
		{"development", "", nil, "Firecracker v1.17.0-dev", vmm.Doubtful, "Firecracker 1.17.0 (/opt/firecracker) is newer than 1.16", "1.16"},
		{"old", "", nil, "Firecracker v1.14.9", vmm.Missing, "is version 1.14.9; banger supports 1.15 and newer", "install Firecracker 1.15 or newer"},
		{"new", "", nil, "Firecracker v1.18.0", vmm.Doubtful, "newer than 1.16", "1.16"},
		{"another program", "", nil, "coreutils\x1b[31m", vmm.Missing, `/opt/firecracker is no Firecracker: it calls itself "coreutils?[31m"`, "install"},
		{"the jailer", "jailer", nil, "Jailer v1.16.1", vmm.Missing, `/opt/jailer is no Firecracker: it calls itself "Jailer v1.16.1"`, "install"},
		{"an interpreter", "python3", nil, "Python 3.11.2", vmm.Missing, "is no Firecracker", "install"},
		{"one with another number first", "", nil, "glibc 2.36.0\nFirecracker v1.16.1", vmm.Missing, "is no Firecracker", "install"},
		{"without a number", "", nil, "Firecracker vnext 1.16.1", vmm.Missing, "is no Firecracker", "install"},
		{"not installed", "", func(h *vmm.Host) {
			h.LookPath = func(string) (string, error) { return "", fs.ErrNotExist }
		}, "", vmm.Missing, "not installed, or not on PATH", "firecracker_bin"},
		{"configured and not there", "/none", func(h *vmm.Host) {
			h.LookPath = func(string) (string, error) { return "", fs.ErrNotExist }
		}, "", vmm.Missing, "cannot use the configured Firecracker: file does not exist", "BANGER_FIRECRACKER_BIN"},
		{"not executable", "", func(h *vmm.Host) {
			h.Version = func(context.Context, string) (string, error) { return "", denied }
		}, "", vmm.Missing, "does not run: exec /opt/firecracker: permission denied", "--version"},
		{"arm64", "", func(h *vmm.Host) { h.Arch = "arm64" }, "Firecracker v1.16.1", vmm.Missing, "amd64 only, this host is arm64", "another driver"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := host(c.version)
			if c.change != nil {
				c.change(h)
			}
			f := New().Look(t.Context(), h, c.program)
			got, ok := f.Fact(vmm.AboutProgram)
			if !ok || got.State != c.state || !strings.Contains(got.Reason, c.reason) || !strings.Contains(got.Remedy, c.remedy) || (got.Remedy == "") != (c.state == vmm.Good) {
				t.Errorf("%+v", got)
			}
			if usable := f.Err() == nil; usable != (c.state != vmm.Missing) {
				t.Errorf("it can be used: %v, %v", usable, f.Err())
			}
		})
	}
}

func TestFirecrackerNeedsKVMAndATAPDevice(t *testing.T) {
	for path, about := range map[string]vmm.Subject{vmm.KVMDevice: vmm.AboutKVM, "/dev/net/tun": vmm.AboutTAP} {
		h := host("Firecracker v1.16.1")
		h.OpenRW = func(name string) error {
			if name == path {
				return fs.ErrPermission
			}
			return nil
		}
		f := New().Look(t.Context(), h, "")
		if cause, bad := f.Cause(); !bad || cause.About != about || !errors.Is(f.Err(), fault.Unavailable) {
			t.Errorf("without %s: %+v", path, f)
		}
	}
}

func TestBoots(t *testing.T) {
	for k, good := range map[vmm.Kernel]bool{{Architecture: "amd64"}: true, {}: true, {Architecture: "arm64"}: false} {
		if err := New().Boots(k); (err == nil) != good {
			t.Errorf("%+v: %v", k, err)
		}
	}
}
