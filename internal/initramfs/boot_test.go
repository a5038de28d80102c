package initramfs_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/initramfs"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/kmod"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmlinux"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/qemu"
)

func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// TestRealKernelBootsFromTheInitramfs imports a distribution's kernel, boots it
// in software emulation from a built initramfs, and sees that the modules
// load in the order given and bring up the agent's port, then the disk.
func TestRealKernelBootsFromTheInitramfs(t *testing.T) {
	qemuPath, err := exec.LookPath("qemu-system-x86_64")
	if err != nil || runtime.GOARCH != "amd64" {
		skip(t, "no qemu-system-x86_64 for %s", runtime.GOARCH)
	}
	dirs := statedir.Dirs{State: t.TempDir(), Cache: t.TempDir()}
	if err := os.MkdirAll(dirs.Kernels(), 0o700); err != nil {
		t.Fatal(err)
	}
	m := importKernel(t, dirs, kerneltest.Package(t))
	t.Logf("boot modules %v, late modules %v", m.BootModules, m.LateModules)
	if before, after := slices.Index(m.BootModules, "virtio_ring.ko"), slices.Index(m.BootModules, "virtio.ko"); before > after {
		t.Errorf("virtio loads before virtio_ring: %v", m.BootModules)
	}
	init := buildProbe(t)
	archive, err := initramfs.New(dirs, init, slog.New(slog.DiscardHandler)).Build(t.Context(), m, dirs.Kernel(m.Name))
	if err != nil {
		t.Fatal(err)
	}
	console := boot(t, qemuPath, dirs.Kernel(m.Name), archive)
	for _, want := range []string{"probe: port banger.agent: <nil>", "probe: disks before: 0", "probe: disks after: 1", "probe: mount: <nil>", "probe: modules.dep.bin: <nil>", "probe: done"} {
		if !strings.Contains(console, want) {
			t.Errorf("the console lacks %q", want)
		}
	}
	for line := range strings.Lines(console) {
		if strings.Contains(line, "probe: load ") && !strings.Contains(line, ": <nil>") {
			t.Errorf("a module did not load: %s", line)
		}
	}
	if t.Failed() {
		t.Log(console)
	}
}

func importKernel(t *testing.T, dirs statedir.Dirs, dir string) kernel.Manifest {
	t.Helper()
	store := kernelstore.New(dirs, slog.New(slog.DiscardHandler))
	mkfs := func(ctx context.Context, tar io.Reader, path string) error {
		_, err := rootfs.FromTar(ctx, tar, path, rootfs.Options{})
		return err
	}
	service := kernel.NewService(kernel.Deps{
		Store: store, Executables: vmlinux.Executables{}, Modules: kmod.New(mkfs), Users: nobody{},
		Open: kernelstore.OpenSource, Now: time.Now, Architecture: runtime.GOARCH,
	})
	m, err := service.Import(t.Context(), "test", dir, &progress{t: t, at: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type nobody struct{}

func (nobody) Release(context.Context, string) ([]string, error) { return nil, nil }

// progress logs when each stage began.
type progress struct {
	t  *testing.T
	at time.Time
}

func (p *progress) Stage(name string) {
	p.t.Logf("%v: %s", time.Since(p.at).Round(time.Millisecond), name)
}
func (*progress) Detail(string, ...any)      {}
func (*progress) Count(int64, int64, string) {}

func buildProbe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probeinit")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, "./testdata/probeinit")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
	return path
}

// boot runs a machine until it powers off, and returns its console's output.
func boot(t *testing.T, qemuPath string, k statedir.Kernel, archive string) string {
	t.Helper()
	var console bytes.Buffer
	begin := time.Now()
	m, err := qemu.TCG().Start(t.Context(), vmm.Spec{
		Name: "boot", Program: qemuPath, VCPU: 1, MemoryBytes: 256 << 20, Kernel: k.Vmlinux(), Initramfs: archive,
		Disks: []vmm.Disk{{Name: "banger-modules", Path: k.Modules(), ReadOnly: true}},
	}, vmm.Site{Dir: t.TempDir(), Console: &console, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(90*time.Second, func() { _ = m.Signal(os.Kill) })
	defer limit.Stop()
	var last vmm.Event
	for last = range m.Events() {
	}
	t.Logf("QEMU ran for %v", time.Since(begin).Round(time.Millisecond))
	if last.Exit.Cause != vmm.GuestOff {
		t.Fatalf("the machine ended with %+v\n%s", last.Exit, console.String())
	}
	return console.String()
}
