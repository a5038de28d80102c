package doctor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// healthy is a host where every check is ok.
func healthy() (World, fstest.MapFS) {
	files := fstest.MapFS{
		"proc/meminfo":                            file("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n"),
		"opt/bin/banger-vsock-agent":              {Mode: 0o755, Data: []byte("elf")},
		"state/images/aaaaaaaaaaaa/manifest.json": file(`{"id":"aaaaaaaaaaaa","name":"debian","rootfs_bytes":4}`),
		"state/images/aaaaaaaaaaaa/rootfs.ext4":   file("ext4"),
		"state/state.db":                          file(database(4096, 2)),
		"run":                                     {Mode: fs.ModeDir | 0o700},
		"run/systemd/system":                      {Mode: fs.ModeDir | 0o755},
		"var/lib/systemd/linger/ann":              file(""),
		"run/systemd/resolve":                     {Mode: fs.ModeDir | 0o755},

		"proc/sys/net/ipv4/ip_unprivileged_port_start": file("1024\n"),
		"proc/sys/net/ipv4/ping_group_range":           file("0\t2147483647\n"),
	}
	return World{
		Dirs:        statedir.Dirs{State: "/state", Cache: "/cache", Runtime: "/run", Config: "/config"},
		Socket:      "/run/bangerd.sock",
		Settings:    Settings{Drivers: drivers.Config{Driver: drivers.Auto}, DefaultImage: "debian", MemoryBytes: 512 * mib},
		Root:        files,
		LookPath:    func(name string) (string, error) { return "/usr/bin/" + name, nil },
		Output:      func(context.Context, string, ...string) (string, error) { return "", exec.ErrNotFound },
		Look:        func(context.Context, drivers.Config) []vmm.Finding { return findings(present, kvmPresent) },
		Confinement: func(context.Context) Confinement { return offered(7, true) },
		CanWrite:    func(string) error { return nil },
		Space:       func(string) (int64, error) { return 100 * gib, nil },
		Reach:       func(context.Context, string) error { return errors.New("no route to host") },
		Daemon:      func(context.Context) (Daemon, error) { return Daemon{Version: "v1", Names: "127.128.0.1:5300"}, nil },
		Resolves: func(_ context.Context, name string, addr netip.Addr) bool {
			return name == "gateway.vm" && addr.String() == "127.128.0.1"
		},
		Kernels:    kernels(kernel.Manifest{Name: "k"}),
		Now:        func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) },
		Home:       "/home/ann",
		Executable: "/opt/bin/banger", User: "ann", UID: 1000, Groups: []int{27, 1000},
	}, files
}

func kernels(all ...kernel.Manifest) func(context.Context) ([]kernel.Manifest, error) {
	return func(context.Context) ([]kernel.Manifest, error) { return all, nil }
}

// What the drivers of these tests find.
var (
	present    = vmm.Fact{About: vmm.AboutProgram, State: vmm.Good, Reason: "a 1.0 (/usr/bin/a)"}
	absent     = vmm.Fact{About: vmm.AboutProgram, State: vmm.Missing, Reason: "a is not installed", Remedy: "install a"}
	kvmPresent = vmm.Fact{About: vmm.AboutKVM, State: vmm.Good, Reason: "kvm is there"}
	kvmAbsent  = vmm.Fact{About: vmm.AboutKVM, State: vmm.Missing, Reason: "kvm is not there", Remedy: "fetch kvm"}
	tapPresent = vmm.Fact{About: vmm.AboutTAP, State: vmm.Good, Reason: "tap is there"}
	tapAbsent  = vmm.Fact{About: vmm.AboutTAP, State: vmm.Missing, Reason: "tap is not there", Remedy: "fetch tap"}
)

// findings are those of two drivers of one program, of which the first needs kvm.
func findings(program, kvm vmm.Fact) []vmm.Finding {
	nests := vmm.Fact{About: vmm.AboutNesting, State: vmm.Good, Reason: "it nests"}
	return []vmm.Finding{
		{Driver: "hard", Facts: []vmm.Fact{program, tapPresent, kvm}, Nesting: nests},
		{Driver: "soft", Facts: []vmm.Fact{program}, Nesting: nests, Note: "mind the gap"},
	}
}

func looks(program, kvm vmm.Fact) func(*World, fstest.MapFS) {
	return func(w *World, _ fstest.MapFS) {
		w.Look = func(context.Context, drivers.Config) []vmm.Finding { return findings(program, kvm) }
	}
}

// taps are findings of a driver that uses TAP devices.
func taps(facts ...vmm.Fact) func(*World, fstest.MapFS) {
	return func(w *World, _ fstest.MapFS) {
		w.Look = func(context.Context, drivers.Config) []vmm.Finding {
			return []vmm.Finding{{Driver: "hard", Facts: facts}}
		}
	}
}

func nests(nesting vmm.Fact) func(*World, fstest.MapFS) {
	return func(w *World, _ fstest.MapFS) {
		w.Look = func(context.Context, drivers.Config) []vmm.Finding {
			return []vmm.Finding{{Driver: "hard", Facts: []vmm.Fact{present, kvmPresent}, Nesting: nesting}}
		}
	}
}

// anotherNests has the chosen driver not nest, and the next one.
func anotherNests(w *World, _ fstest.MapFS) {
	w.Look = func(context.Context, drivers.Config) []vmm.Finding {
		return []vmm.Finding{
			{Driver: "hard", Facts: []vmm.Fact{present, kvmPresent}, Nesting: vmm.Fact{State: vmm.Missing, Reason: "it does not"}},
			{Driver: "other", Facts: []vmm.Fact{present}, Nesting: vmm.Fact{State: vmm.Good, Reason: "it nests"}},
		}
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o600} }

func database(page uint16, pages int) string {
	data := make([]byte, int(page)*pages)
	copy(data, sqliteMagic)
	binary.BigEndian.PutUint16(data[16:], page)
	return string(data)
}

func confined(abi int, namespaces bool) func(*World, fstest.MapFS) {
	return func(w *World, _ fstest.MapFS) {
		w.Confinement = func(context.Context) Confinement { return offered(abi, namespaces) }
	}
}

func offered(abi int, namespaces bool) Confinement {
	return Confinement{LandlockABI: abi, Namespaces: namespaces, Mounts: namespaces, Controllers: []string{"cpu", "memory", "pids"}}
}

// grouped is a host that offers all but, perhaps, a control group.
func grouped(systemd bool, no error, controllers ...string) func(*World, fstest.MapFS) {
	return func(w *World, files fstest.MapFS) {
		if !systemd {
			delete(files, "run/systemd/system")
		}
		c := offered(7, true)
		c.NoGroup, c.Controllers = no, controllers
		w.Confinement = func(context.Context) Confinement { return c }
	}
}

func TestHealthyHost(t *testing.T) {
	w, _ := healthy()
	report := Run(t.Context(), w)
	if report.Status != OK {
		t.Errorf("status %s", report.Status)
	}
	for _, f := range report.Checks {
		want := OK
		if f.Name == "low-ports" { // ordinary users of most hosts cannot have these
			want = Info
		}
		if f.Status != want || len(f.Remedy) > 0 || f.Reason == "" {
			t.Errorf("%+v", f)
		}
	}
	if err := Preflight(t.Context(), w); err != nil {
		t.Errorf("Preflight: %v", err)
	}
}

func TestEachOutcome(t *testing.T) {
	missing := func(names ...string) func(string) (string, error) {
		return func(name string) (string, error) {
			if slices.Contains(names, name) {
				return "", exec.ErrNotFound
			}
			return "/usr/bin/" + name, nil
		}
	}
	unresolved := func(w *World, _ fstest.MapFS) {
		w.Resolves = func(context.Context, string, netip.Addr) bool { return false }
	}
	for _, c := range []struct {
		name   string
		change func(w *World, files fstest.MapFS)
		check  string
		status Status
		reason string
		remedy string
	}{
		{"no vmm", looks(absent, kvmAbsent), "vmm", Fail, "a is not installed", "install a"},
		{"no vmm, no driver", looks(absent, kvmAbsent), "driver", Fail, "a is not installed", "install a"},
		{"old vmm", looks(vmm.Fact{About: vmm.AboutProgram, State: vmm.Doubtful, Reason: "a is old", Remedy: "a newer a"}, kvmPresent), "vmm", Warn, "a is old", "a newer a"},
		{"kvm", looks(present, kvmPresent), "kvm", OK, "kvm is there", ""},
		{"no kvm", looks(present, kvmAbsent), "kvm", Warn, "kvm is not there: VMs run on software emulation", "fetch kvm"},
		{"tap", taps(present, tapPresent), "tap", OK, "tap is there", ""},
		{"no tap", taps(present, tapAbsent), "tap", Warn, "tap is not there: banger cannot use hard", "fetch tap"},
		{"no tap and no program", taps(absent, tapAbsent), "tap", Info, "tap is not there; only hard would use TAP devices", ""},
		{"no driver with tap", taps(present), "tap", Info, "no installed driver uses TAP devices", ""},
		{"no kvm for the driver that uses none", func(w *World, f fstest.MapFS) {
			looks(present, kvmAbsent)(w, f)
			w.Settings.Drivers.Driver = "soft"
		}, "kvm", Warn, "kvm is not there", "fetch kvm"},
		{"auto", looks(present, kvmPresent), "driver", OK, "hard, chosen because kvm is there", ""},
		{"two drivers without kvm", func(w *World, _ fstest.MapFS) {
			w.Look = func(context.Context, drivers.Config) []vmm.Finding {
				return append([]vmm.Finding{{Driver: "harder", Facts: []vmm.Fact{kvmAbsent}}}, findings(present, kvmAbsent)...)
			}
		}, "driver", OK, "soft, chosen because kvm is not there; mind the gap", ""},
		{"auto without kvm", looks(present, kvmAbsent), "driver", OK, "soft, chosen because kvm is not there; mind the gap", ""},
		{"kvm configured, unusable", func(w *World, f fstest.MapFS) {
			looks(present, kvmAbsent)(w, f)
			w.Settings.Drivers.Driver = "hard"
		}, "driver", Fail, "cannot use the configured driver hard: kvm is not there", `fetch kvm, or set driver = "auto"`},
		{"the vmm is not what is wrong", func(w *World, f fstest.MapFS) {
			looks(present, kvmAbsent)(w, f)
			w.Settings.Drivers.Driver = "hard"
		}, "vmm", OK, "a 1.0 (/usr/bin/a)", ""},
		{"emulation", func(w *World, _ fstest.MapFS) { w.Settings.Drivers.Driver = "soft" }, "driver", OK, "soft, as configured; mind the gap", ""},
		{"nesting", nests(vmm.Fact{About: vmm.AboutNesting, State: vmm.Good, Reason: "it is on"}), "nesting", OK, "it is on", ""},
		{"another driver nests", anotherNests, "nesting", OK, "on other: it nests", ""},
		{"no nesting", nests(vmm.Fact{About: vmm.AboutNesting, State: vmm.Missing, Reason: "it is off", Remedy: "turn it on"}), "nesting", Info, "it is off; turn it on", ""},
		{"nesting without a driver", looks(absent, kvmAbsent), "nesting", Info, "unknown", ""},
		{"unknown driver", func(w *World, _ fstest.MapFS) { w.Settings.Drivers.Driver = "xen" }, "driver", Fail, `"xen"`, "set driver to auto or"},
		{"unknown driver, no vmm", func(w *World, _ fstest.MapFS) { w.Settings.Drivers.Driver = "xen" }, "vmm", Fail, `"xen"`, "set driver to auto or"},
		{"all confinement", func(*World, fstest.MapFS) {}, "confinement", OK, "only its own files (mount namespace, Landlock ABI 7), private user and network namespaces", ""},
		{"a control group", grouped(true, nil, "cpu", "memory", "pids"), "confinement", OK, "a control group (cpu memory pids)", ""},
		{"a control group without cpu", grouped(true, nil, "memory", "pids"), "confinement", Warn, "does not delegate cpu, io", "Delegate=cpu memory"},
		{"no control group", grouped(true, errors.New("no bus")), "confinement", Warn, "no control group limits a VMM: no bus", "enable-linger"},
		{"no systemd", grouped(false, errors.New("no bus")), "confinement", OK, "no limit of a VMM's memory, since this host does not run systemd", ""},
		{"no landlock", confined(0, true), "confinement", Warn, "a VM's monitor can open every file that you can", "lsm="},
		{"no landlock, but namespaces", confined(0, true), "confinement", Warn, "only its own files (mount namespace)", "lsm="},
		{"no landlock and no namespaces", confined(0, false), "confinement", Warn, "a VMM can open every file that you can", "lsm="},
		{"old landlock", confined(1, true), "confinement", Warn, "ABI 1 does not cover TCP ports", "newer kernel"},
		{"landlock without scopes", confined(5, true), "confinement", Warn, "ABI 5 does not cover signals", "newer kernel"},
		{"no namespaces", confined(7, false), "confinement", Warn, "does not let you create user and network namespaces", "unprivileged"},
		{"no mount namespaces", func(w *World, _ fstest.MapFS) {
			w.Confinement = func(context.Context) Confinement {
				return Confinement{LandlockABI: 7, Namespaces: true, Controllers: []string{"cpu", "memory", "pids", "io"}}
			}
		}, "confinement", Warn, "Firecracker could connect to your Unix sockets", "unprivileged"},
		{"no agent", func(_ *World, f fstest.MapFS) { delete(f, "opt/bin/banger-vsock-agent") }, "agent", Fail, "/opt/bin/banger-vsock-agent", "BANGER_AGENT"},
		{"agent in lib", func(_ *World, f fstest.MapFS) {
			delete(f, "opt/bin/banger-vsock-agent")
			f["opt/lib/banger/banger-vsock-agent"] = &fstest.MapFile{Mode: 0o755}
		}, "agent", OK, "/opt/lib/banger/banger-vsock-agent", ""},
		{"agent not executable", func(w *World, f fstest.MapFS) { w.Settings.Agent = "/a"; f["a"] = file("") }, "agent", Fail, "/a is not an executable", ""},
		{"no mkfs", func(w *World, _ fstest.MapFS) { w.LookPath = missing("mkfs.ext4") }, "helpers", Fail, "mkfs.ext4", "apt-get install e2fsprogs"},
		{"no ssh, no git", func(w *World, _ fstest.MapFS) { w.LookPath = missing("ssh", "git") }, "tools", Warn, "ssh (vm ssh), git (workspaces)", "openssh-client git"},
		{"no kernel", func(w *World, _ fstest.MapFS) { w.Kernels = kernels() }, "kernel", Warn, "no kernel is local", "kernel pull"},
		{"no directory of kernels", func(w *World, _ fstest.MapFS) {
			w.Kernels = func(context.Context) ([]kernel.Manifest, error) { return nil, fs.ErrNotExist }
		}, "kernel", Warn, "no kernel is local", "kernel pull"},
		{"kernels that cannot be listed", func(w *World, _ fstest.MapFS) {
			w.Kernels = func(context.Context) ([]kernel.Manifest, error) { return nil, fs.ErrPermission }
		}, "kernel", Fail, "permission denied", "readable for ann"},
		{"a damaged kernel", func(w *World, _ fstest.MapFS) {
			problem := fault.New(fault.Unavailable, "kernel b is damaged").Try(act.KernelPull.On("b", act.Force))
			w.Kernels = kernels(kernel.Manifest{Name: "a"}, kernel.Manifest{Name: "b", Problem: problem})
		}, "kernel", Fail, "kernel b is damaged", "kernel pull b (force)"},
		{"image file missing", func(_ *World, f fstest.MapFS) { delete(f, "state/images/aaaaaaaaaaaa/rootfs.ext4") }, "image-files", Fail, "image debian cannot be used: its file /state/images/aaaaaaaaaaaa/rootfs.ext4 is missing", "image repair"},
		{"image file cut off", func(_ *World, f fstest.MapFS) { f["state/images/aaaaaaaaaaaa/rootfs.ext4"] = file("ex") }, "image-files", Fail, "has 2 bytes, not 4", "image repair debian"},
		{"image file a directory", func(_ *World, f fstest.MapFS) {
			delete(f, "state/images/aaaaaaaaaaaa/rootfs.ext4")
			f["state/images/aaaaaaaaaaaa/rootfs.ext4/x"] = file("")
		}, "image-files", Fail, "rootfs.ext4 is a directory, not a file", "image repair debian"},
		{"registered file", func(_ *World, f fstest.MapFS) {
			f["state/images/aaaaaaaaaaaa/manifest.json"] = file(`{"id":"aaaaaaaaaaaa","format":2,"names":[{"name":"mine"}],"rootfs_bytes":4,"external":{"path":"/home/r"}}`)
			f["home/r"] = &fstest.MapFile{Data: []byte("ext4"), ModTime: time.Unix(1, 0)}
		}, "image-files", Fail, "its file /home/r has changed since it was registered", "image repair"},
		{"image's own kernel missing", func(_ *World, f fstest.MapFS) {
			f["state/images/aaaaaaaaaaaa/manifest.json"] = file(`{"id":"aaaaaaaaaaaa","format":2,"names":[{"name":"own"}],"rootfs_bytes":4,"kernel":"k","own_kernel":true}`)
			f["state/images/aaaaaaaaaaaa/kernel/manifest.json"] = file("{}")
		}, "image-files", Fail, "kernel/vmlinux: file does not exist", "image repair own"},
		{"image's own kernel", func(_ *World, f fstest.MapFS) {
			f["state/images/aaaaaaaaaaaa/manifest.json"] = file(`{"id":"aaaaaaaaaaaa","format":2,"names":[{"name":"own"}],"rootfs_bytes":4,"kernel":"k","own_kernel":true}`)
			f["state/images/aaaaaaaaaaaa/kernel/manifest.json"], f["state/images/aaaaaaaaaaaa/kernel/vmlinux"] = file("{}"), file("ELF")
		}, "image-files", OK, "the files of 1 image are there", ""},
		{"default image damaged", func(_ *World, f fstest.MapFS) { delete(f, "state/images/aaaaaaaaaaaa/rootfs.ext4") }, "image", Fail, "files of the default image debian", "image repair debian"},
		{"image of the catalog", func(_ *World, f fstest.MapFS) { delete(f, "state/images/aaaaaaaaaaaa/manifest.json") }, "image", OK, "the first VM pulls it (debian:12)", ""},
		{"image to be made", func(w *World, _ fstest.MapFS) { w.Settings.DefaultImage = "dev" }, "image", Warn, "does not answer", "image pull"},
		{"image unreachable", func(w *World, _ fstest.MapFS) { w.Settings.DefaultImage = "own:1" }, "image", Warn, "docker.io does not answer: no route", "image pull"},
		{"image obtainable", func(w *World, _ fstest.MapFS) {
			w.Settings.DefaultImage = "ghcr.io/o/i:t"
			w.Reach = func(_ context.Context, host string) error {
				if host != "ghcr.io:443" {
					return fmt.Errorf("asked %s", host)
				}
				return nil
			}
		}, "image", OK, "can be pulled", ""},
		{"image manifest damaged", func(_ *World, f fstest.MapFS) {
			f["state/images/aaaaaaaaaaaa.json"] = f["state/images/aaaaaaaaaaaa/manifest.json"]
			f["state/images/aaaaaaaaaaaa/manifest.json"] = file("{")
		}, "image-files", Fail, "image debian cannot be used: its manifest.json is damaged", "image repair"},
		{"image directory gone", func(_ *World, f fstest.MapFS) {
			f["state/images/aaaaaaaaaaaa.json"] = f["state/images/aaaaaaaaaaaa/manifest.json"]
			delete(f, "state/images/aaaaaaaaaaaa/manifest.json")
			delete(f, "state/images/aaaaaaaaaaaa/rootfs.ext4")
		}, "image-files", Fail, "image debian cannot be used: its manifest.json is missing", "image repair"},
		{"image unknown", func(_ *World, f fstest.MapFS) { f["state/images/aaaaaaaaaaaa/manifest.json"] = file("{") }, "image-files", Fail, "nothing tells what it was", "image delete aaaaaaaaaaaa"},
		{"image of a newer banger", func(_ *World, f fstest.MapFS) {
			f["state/images/aaaaaaaaaaaa/manifest.json"] = file(`{"format":9}`)
		}, "image-files", Fail, "manifest.json has format 9", "as new as"},
		{"bad manifest", func(_ *World, f fstest.MapFS) { f["state/images/aaaaaaaaaaaa/manifest.json"] = file("{") }, "image", OK, "not local", ""},
		{"no image at all", func(w *World, f fstest.MapFS) {
			w.Settings.DefaultImage = ""
			delete(f, "state/images/aaaaaaaaaaaa/manifest.json")
		}, "image", Warn, "no image is local", "image pull"},
		{"full disk", func(w *World, _ fstest.MapFS) { w.Space = func(string) (int64, error) { return 10 * mib, nil } }, "state-disk", Fail, "10 MiB free", "XDG_STATE_HOME"},
		{"full cache", func(w *World, _ fstest.MapFS) { w.Space = func(string) (int64, error) { return 10 * mib, nil } }, "cache-disk", Warn, "10 MiB free", "XDG_CACHE_HOME"},
		{"little disk", func(w *World, _ fstest.MapFS) { w.Space = func(string) (int64, error) { return 2 * gib, nil } }, "state-disk", Warn, "2 GiB free", "vm delete"},
		{"space unknown", func(w *World, _ fstest.MapFS) { w.Space = func(string) (int64, error) { return 0, fs.ErrPermission } }, "state-disk", Fail, "cannot get the free space", ""},
		{"little memory", func(_ *World, f fstest.MapFS) { f["proc/meminfo"] = file("MemAvailable: 600000 kB\n") }, "memory", Warn, "585.9 MiB", "vm create (memory)"},
		{"no memory", func(_ *World, f fstest.MapFS) { f["proc/meminfo"] = file("MemAvailable: 100000 kB\n") }, "memory", Fail, "97.7 MiB", "vm stop"},
		{"memory unknown", func(_ *World, f fstest.MapFS) { f["proc/meminfo"] = file("MemAvailable: many kB\n") }, "memory", Warn, "cannot get the memory", ""},
		{"new user", func(_ *World, f fstest.MapFS) {
			for name := range f {
				if strings.HasPrefix(name, "state") {
					delete(f, name)
				}
			}
		}, "state", OK, "does not exist yet", ""},
		{"read-only home", func(w *World, f fstest.MapFS) {
			for name := range f {
				if strings.HasPrefix(name, "state") {
					delete(f, name)
				}
			}
			w.CanWrite = func(dir string) error { return &fs.PathError{Op: "access", Path: dir, Err: syscall.EROFS} }
		}, "state", Fail, "does not exist and cannot be created", "make / writable for ann, or set XDG_STATE_HOME"},
		{"read-only state", func(w *World, _ fstest.MapFS) {
			w.CanWrite = func(string) error { return syscall.EACCES }
		}, "state", Fail, "/state cannot be written: permission denied", "XDG_STATE_HOME"},
		{"open state", func(_ *World, f fstest.MapFS) { f["state"] = &fstest.MapFile{Mode: fs.ModeDir | 0o777} }, "state", Fail, "other users can write to /state (mode 0777)", "chmod 700 /state"},
		{"not a database", func(_ *World, f fstest.MapFS) { f["state/state.db"] = file(strings.Repeat("x", 4096)) }, "state", Fail, "not an SQLite database", "backup"},
		{"truncated database", func(_ *World, f fstest.MapFS) { f["state/state.db"] = file(database(4096, 2)[:5000]) }, "state", Fail, "truncated: 5000 bytes", "backup"},
		{"state is a file", func(_ *World, f fstest.MapFS) {
			for name := range f {
				if strings.HasPrefix(name, "state") {
					delete(f, name)
				}
			}
			f["state"] = file("")
		}, "state", Fail, "not a directory", "move"},
		{"open socket directory", func(_ *World, f fstest.MapFS) { f["run"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755} }, "socket", Fail, "mode 0755", "chmod 700"},
		{"daemon down", func(w *World, _ fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) { return Daemon{}, syscall.ECONNREFUSED }
		}, "daemon", OK, "no daemon runs", ""},
		{"daemon deaf", func(w *World, _ fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) { return Daemon{}, context.DeadlineExceeded }
		}, "daemon", Fail, "does not answer", "daemon logs"},
		{"another's daemon", func(w *World, _ fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) { return Daemon{}, fs.ErrPermission }
		}, "daemon", Fail, "cannot open", "BANGER_SOCKET"},
		{"no linger", func(_ *World, f fstest.MapFS) { delete(f, "var/lib/systemd/linger/ann") }, "linger", Warn, "logs out", "enable-linger"},
		{"another program at the port for names", func(w *World, _ fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) {
				return Daemon{Version: "v1", Names: "127.128.0.1:5301", NamesProblem: "127.128.0.1:5300 is in use by a program of user 7"}, nil
			}
		}, "names", Warn, "at 127.128.0.1:5301 instead: 127.128.0.1:5300 is in use by a program of user 7", "can answer all queries"},
		{"names not forwarded", unresolved, "names", Warn, "does not forward .vm to bangerd (127.128.0.1:5300)", `printf '[Resolve]\nDNS=127.128.0.1:5300\nDomains=~vm\n' | sudo tee /etc/systemd/resolved.conf.d/banger.conf && sudo systemctl restart systemd-resolved`},
		{"names not forwarded in spite of the drop-in", func(w *World, f fstest.MapFS) {
			unresolved(w, f)
			f["etc/systemd/resolved.conf.d/banger.conf"] = file("[Resolve]\nDNS=127.128.0.1:5300\nDomains=~vm\n")
		}, "names", Warn, "127.128.0.1:5300", "is correct, but systemd-resolved forwards nothing while no network is up"},
		{"names not forwarded where they now are", func(w *World, f fstest.MapFS) {
			unresolved(w, f)
			f["etc/systemd/resolved.conf.d/banger.conf"] = file("[Resolve]\nDNS=127.128.0.1:53001\nDomains=~vm\n")
		}, "names", Warn, "127.128.0.1:5300", `printf '[Resolve]\nDNS=127.128.0.1:5300\n`},
		{"names forwarded to another user's daemon", func(w *World, f fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) { return Daemon{Names: "127.130.0.1:5300"}, nil }
			f["etc/systemd/resolved.conf.d/banger.conf"] = file("[Resolve]\nDNS=127.128.0.1:5300\nDomains=~vm\n")
		}, "names", Warn, "127.130.0.1:5300", "another user's VMs lose theirs"},
		{"names not forwarded by dnsmasq", func(w *World, f fstest.MapFS) {
			unresolved(w, f)
			delete(f, "run/systemd/resolve")
			f["etc/dnsmasq.d/README"] = file("")
		}, "names", Warn, "127.128.0.1:5300", "echo server=/vm/127.128.0.1#5300 | sudo tee /etc/dnsmasq.d/banger.conf"},
		{"names not forwarded by another", func(w *World, f fstest.MapFS) { unresolved(w, f); delete(f, "run/systemd/resolve") }, "names", Warn, "shows VMs by address", "/etc/resolv.conf"},
		{"names not answered", func(w *World, _ fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) { return Daemon{NamesProblem: "port 5300 is taken"}, nil }
		}, "names", Warn, "port 5300 is taken", "names_port under [network] in /config/config.toml"},
		{"names switched off", func(w *World, _ fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) { return Daemon{}, nil }
		}, "names", Info, "turned off", ""},
		{"names with the daemon down", func(w *World, _ fstest.MapFS) {
			w.Daemon = func(context.Context) (Daemon, error) { return Daemon{}, syscall.ECONNREFUSED }
		}, "names", Info, "unknown", ""},
		{"low ports", func(*World, fstest.MapFS) {}, "low-ports", Info, "below 1024 get other host ports", ""},
		{"low ports allowed", func(_ *World, f fstest.MapFS) { f["proc/sys/net/ipv4/ip_unprivileged_port_start"] = file("0\n") }, "low-ports", OK, "keep their numbers", ""},
		{"low ports as root", func(w *World, _ fstest.MapFS) { w.UID = 0 }, "low-ports", OK, "keep their numbers", ""},
		{"low ports unknown", func(_ *World, f fstest.MapFS) { delete(f, "proc/sys/net/ipv4/ip_unprivileged_port_start") }, "low-ports", Info, "cannot read", ""},
		{"ping", func(*World, fstest.MapFS) {}, "ping", OK, "can ping", ""},
		{"ping forbidden", func(_ *World, f fstest.MapFS) { f["proc/sys/net/ipv4/ping_group_range"] = file("1\t0\n") }, "ping", Info, "ping_group_range is 1 0", ""},
		{"ping for other groups", func(_ *World, f fstest.MapFS) { f["proc/sys/net/ipv4/ping_group_range"] = file("28 999\n") }, "ping", Info, "no group of ann", ""},
		{"ping unknown", func(_ *World, f fstest.MapFS) { f["proc/sys/net/ipv4/ping_group_range"] = file("\n") }, "ping", Info, "cannot read", ""},
		{"no systemd", func(_ *World, f fstest.MapFS) { delete(f, "run/systemd/system") }, "linger", OK, "does not run systemd", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, files := healthy()
			c.change(&w, files)
			for _, f := range Run(t.Context(), w).Checks {
				if f.Name != c.check {
					continue
				}
				if f.Status != c.status || !strings.Contains(f.Reason, c.reason) || !strings.Contains(f.Remedy.String(), c.remedy) {
					t.Errorf("got %+v", f)
				}
				return
			}
			t.Errorf("no check %q", c.check)
		})
	}
}

func TestPreflightTellsEveryReason(t *testing.T) {
	w, files := healthy()
	looks(absent, kvmAbsent)(&w, files)
	w.LookPath = func(string) (string, error) { return "", exec.ErrNotFound }
	err := Preflight(t.Context(), w)
	if !errors.Is(err, fault.Unavailable) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"driver: a is not installed", "helpers: not found: mkfs.ext4"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if hint := fault.HintOf(err).String(); !strings.Contains(hint, "install a") {
		t.Errorf("hint %q", hint)
	}
}

// A VMM that hangs holds up a report once.
func TestTheHostIsLookedAtOnce(t *testing.T) {
	w, _ := healthy()
	looked := 0
	w.Look = func(context.Context, drivers.Config) []vmm.Finding {
		looked++
		return findings(present, kvmPresent)
	}
	Run(t.Context(), w)
	if looked != 1 {
		t.Errorf("looked %d times", looked)
	}
}

// A missing kernel fails the report, but a create may bring one.
func TestPreflightLeavesCatalogsAlone(t *testing.T) {
	w, _ := healthy()
	w.Kernels = kernels()
	if err := Preflight(t.Context(), w); err != nil {
		t.Errorf("Preflight: %v", err)
	}
}

func TestThisHost(t *testing.T) {
	dir := t.TempDir()
	dirs := statedir.Dirs{State: dir + "/s", Cache: dir + "/c", Config: dir + "/f", Runtime: dir + "/r"}
	report := Run(t.Context(), Host(dirs, dirs.Socket(), vmm.ThisHost(), Settings{Drivers: drivers.Config{Driver: drivers.Auto}, DefaultImage: "127.0.0.1:1/none"}))
	if len(report.Checks) != len(Checks()) {
		t.Errorf("%d findings of %d checks", len(report.Checks), len(Checks()))
	}
	for _, f := range report.Checks {
		if f.Status != OK && f.Status != Info && len(f.Remedy) == 0 {
			t.Errorf("no remedy: %+v", f)
		}
	}
}

// TestPipesAreNotWaitedFor: whatever is at a file's path, the doctor ends.
func TestPipesAreNotWaitedFor(t *testing.T) {
	home := t.TempDir()
	dirs := statedir.Dirs{State: home, Runtime: home, Cache: home, Config: home}
	source := catalog.Source{URL: "https://catalog.example/c.json", SHA256: strings.Repeat("0", 64)}
	for _, path := range []string{dirs.Image("aaaaaaaaaaaa").Manifest(), dirs.ImageCopy("aaaaaaaaaaaa"), dirs.Catalog(source.ID())} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), syscall.Mkfifo(path, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	w := Host(dirs, dirs.Socket(), vmm.ThisHost(), Settings{Catalogs: []catalog.Source{source}})
	for name, got := range map[string]verdict{
		"image files": checkImageFiles(t.Context(), w), "catalogs": checkCatalogs(t.Context(), w),
	} {
		if got.status == OK || len(got.remedy) == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
