package kernel_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/kmod"
	"github.com/bangervm/banger/internal/statedir"
)

func TestImportEachLayout(t *testing.T) {
	needDepmod(t)
	boot := []string{"virtio_ring.ko", "virtio.ko", "virtio_mmio.ko", "virtio_console.ko"}
	late := []string{"virtio_blk.ko", "overlay.ko", "virtio-rng.ko", "failover.ko", "net_failover.ko", "virtio_net.ko"}
	ext4 := []string{"virtio_blk.ko", "crc32c_generic.ko", "mbcache.ko", "jbd2.ko", "ext4.ko", "overlay.ko", "virtio-rng.ko", "failover.ko", "net_failover.ko", "virtio_net.ko"}
	for name, c := range map[string]struct {
		tree    fstest.MapFS
		version string
		late    []string
		modules int
		initrd  bool
	}{
		"Debian": {kerneltest.Debian("6.1.0-56-cloud-amd64"), "6.1.0-56-cloud-amd64", late, 11, false},
		"Alpine": {kerneltest.Alpine("6.6.52-0-lts"), "6.6.52-0-lts", ext4, 18, true},
		"Void":   {kerneltest.Void("6.6.52_1"), "6.6.52_1", late, 11, false},
	} {
		t.Run(name, func(t *testing.T) {
			cat := newCatalog(t)
			var p stages
			m, err := cat.Import(t.Context(), "k", onDisk(t, c.tree), &p)
			if err != nil {
				t.Fatal(err)
			}
			if m.Version != c.version || m.Modules != c.modules || !m.PVH || (m.Initrd != "") != c.initrd || m.SHA256 == "" || m.ModulesSHA == "" {
				t.Errorf("manifest %+v", m)
			}
			if diff := cmp.Diff(boot, m.BootModules); diff != "" {
				t.Errorf("boot modules: %s", diff)
			}
			if diff := cmp.Diff(sortedSame(c.late, m.LateModules), m.LateModules); diff != "" {
				t.Errorf("late modules: %s", diff)
			}
			if diff := cmp.Diff([]string{"find", "extract vmlinux", "modules", "depmod", "pack", "store"}, p.names); diff != "" {
				t.Errorf("stages: %s", diff)
			}
			got, err := cat.Get(t.Context(), "k")
			if diff := cmp.Diff(m, got); err != nil || diff != "" {
				t.Errorf("%v, read back: %s", err, diff)
			}
			checkTree(t, cat.dirs.Kernel("k"))
			checkNothingStaged(t, cat.dirs)
		})
	}
}

// sortedSame returns got if it holds the same names as want: the order among
// independent modules is depmod's; what it must keep is tested in kmod.
func sortedSame(want, got []string) []string {
	if slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))) {
		return got
	}
	return want
}

// checkTree looks at the tar of a kernel's modules.
func checkTree(t *testing.T, k statedir.Kernel) {
	t.Helper()
	f, err := os.Open(k.Modules())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // read only
	var names []string
	for tr := tar.NewReader(f); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, hdr.Name)
		if hdr.Uid != 0 || hdr.Gid != 0 || hdr.ModTime.Unix() != 0 || hdr.Typeflag == tar.TypeSymlink {
			t.Errorf("entry %+v", hdr)
		}
		magic := make([]byte, 4)
		if _, err := io.ReadFull(tr, magic); strings.HasSuffix(hdr.Name, ".ko") && (err != nil || string(magic) != "\x7fELF") {
			t.Errorf("%s is not an ELF file", hdr.Name)
		}
	}
	for _, want := range []string{"./", "modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin", "kernel/drivers/block/virtio_blk.ko"} {
		if !slices.Contains(names, want) {
			t.Errorf("modules.ext4 lacks %s: %q", want, names)
		}
	}
}

func checkNothingStaged(t *testing.T, dirs statedir.Dirs) {
	t.Helper()
	left, _ := filepath.Glob(filepath.Join(dirs.Kernels(), "*"+statedir.StagingSuffix))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestImportTwice(t *testing.T) {
	needDepmod(t)
	cat := newCatalog(t)
	dir := onDisk(t, kerneltest.Debian("6.1.0-9-amd64"))
	first, err := cat.Import(t.Context(), "k", dir, &stages{})
	if err != nil {
		t.Fatal(err)
	}
	cat.now = cat.now.Add(time.Hour)
	var p stages
	again, err := cat.Import(t.Context(), "k", dir, &p)
	if diff := cmp.Diff(first, again); err != nil || diff != "" || len(p.names) != 1 {
		t.Errorf("the same again: %v, stages %q, %s", err, p.names, diff)
	}
	_, err = cat.Import(t.Context(), "k", onDisk(t, kerneltest.Debian("6.1.0-10-amd64")), &stages{})
	if !errors.Is(err, fault.Conflict) || fault.HintOf(err).String() == "" {
		t.Errorf("another one of that name: %v, want Conflict with a hint", err)
	}
	if got, err := cat.Get(t.Context(), "k"); err != nil || got.Version != first.Version {
		t.Errorf("after that: %+v, %v", got, err)
	}
}

func TestImportAtOnce(t *testing.T) {
	needDepmod(t)
	cat := newCatalog(t)
	dir := onDisk(t, kerneltest.Debian("6.1.0-9-amd64"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := cat.Import(t.Context(), "k", dir, &stages{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	checkNothingStaged(t, cat.dirs)
}

func TestImportFailsWithoutTraces(t *testing.T) {
	needDepmod(t)
	arm := fstest.MapFS{"Image.gz": {Data: kerneltest.Gzip(append(append(make([]byte, 56), "ARM\x64"...), "....Linux version 6.1.0 (x)"...))}}
	noBlock := kerneltest.Debian("6.1.0")
	delete(noBlock, "lib/modules/6.1.0/kernel/drivers/block/virtio_blk.ko")
	damaged := kerneltest.Alpine("6.6.52-0-lts")
	damaged["lib/modules/6.6.52-0-lts/kernel/fs/mbcache.ko.gz"].Data = []byte("\x1f\x8b\x08 no gzip")
	twice := kerneltest.Debian("6.1.0")
	twice["lib/modules/6.1.0/kernel/fs/overlayfs/overlay.ko.gz"] = twice["lib/modules/6.1.0/kernel/fs/overlayfs/overlay.ko"]
	broken := kerneltest.Debian("6.1.0")
	broken["boot/vmlinuz-6.1.0"].Data = broken["boot/vmlinuz-6.1.0"].Data[:2200]
	debian := kerneltest.Debian("6.1.0")
	for name, c := range map[string]struct {
		tree fstest.MapFS
		mkfs kmod.MakeFilesystem
		code fault.Code
		says string
	}{
		"another architecture":    {arm, keepTar, fault.Invalid, "for arm64, and this host is amd64"},
		"a kernel without virtio": {noBlock, keepTar, fault.Invalid, "no virtio_blk"},
		"a damaged module":        {damaged, keepTar, fault.Invalid, "mbcache.ko.gz: damaged"},
		"a module twice":          {twice, keepTar, fault.Invalid, "are the same module"},
		"a truncated bzImage":     {broken, keepTar, fault.Invalid, "truncated"},
		"a full disk in packing": {debian, func(context.Context, io.Reader, string) error {
			return &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
		}, fault.Unavailable, "no space left"},
		"a filesystem not to make": {debian, func(context.Context, io.Reader, string) error { return fault.New(fault.Invalid, "too many links") }, fault.Invalid, "too many links"},
	} {
		t.Run(name, func(t *testing.T) {
			cat := newCatalog(t)
			cat.mkfs = c.mkfs
			_, err := cat.Import(t.Context(), "k", onDisk(t, c.tree), &stages{})
			if !errors.Is(err, c.code) || fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v (%s)\nwant %s with %q", err, fault.CodeOf(err), c.code, c.says)
			}
			if _, err := cat.Get(t.Context(), "k"); !errors.Is(err, fault.NotFound) {
				t.Errorf("after that: %v, want NotFound", err)
			}
			checkNothingStaged(t, cat.dirs)
		})
	}
}

// TestImportOnAFullDisk imports into filesystems of growing size, so that the
// disk is full at one step after another.
func TestImportOnAFullDisk(t *testing.T) {
	needDepmod(t)
	dir := onDisk(t, kerneltest.Alpine("6.6.52-0-lts"))
	for _, kib := range []int{24, 40, 64, 96, 128} {
		cat := newCatalog(t)
		err := syscall.Mount("tmpfs", cat.dirs.Kernels(), "tmpfs", 0, fmt.Sprintf("size=%dk", kib))
		if err != nil {
			if os.Getenv("BANGER_TEST_REQUIRE") == "1" && os.Getuid() == 0 {
				t.Fatal(err)
			}
			t.Skipf("mounting a small filesystem needs root: %v", err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(cat.dirs.Kernels(), 0); err != nil {
				t.Error(err)
			}
		})
		_, err = cat.Import(t.Context(), "k", dir, &stages{})
		if fault.CodeOf(err) != fault.Unavailable || fault.HintOf(err).String() == "" || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%d KiB: %v (%s), want Unavailable with a hint", kib, err, fault.CodeOf(err))
		}
		if left, err := os.ReadDir(cat.dirs.Kernels()); err != nil || len(left) != 0 {
			t.Errorf("%d KiB: left behind %v, %v", kib, left, err)
		}
	}
}

func TestImportCancelledInEachStage(t *testing.T) {
	needDepmod(t)
	dir := onDisk(t, kerneltest.Debian("6.1.0"))
	for _, stage := range []string{"find", "extract vmlinux", "modules", "depmod", "pack", "store"} {
		t.Run(stage, func(t *testing.T) {
			cat := newCatalog(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := cat.Import(ctx, "k", dir, &stages{on: func(name string) {
				if name == stage {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) || fault.CodeOf(err) != fault.Canceled {
				t.Errorf("%v (%s), want it cancelled", err, fault.CodeOf(err))
			}
			if all, err := cat.List(t.Context()); err != nil || len(all) != 0 {
				t.Errorf("after that: %v, %v", all, err)
			}
			checkNothingStaged(t, cat.dirs)
		})
	}
}

func TestImportOfWhatIsNoDirectory(t *testing.T) {
	cat := newCatalog(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, code := range map[string]fault.Code{
		filepath.Join(dir, "none"): fault.NotFound, filepath.Join(dir, "f"): fault.Invalid, "relative": fault.Invalid, dir: fault.Invalid,
	} {
		if _, err := cat.Import(t.Context(), "k", path, &stages{}); fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", path, err, code)
		}
	}
	if _, err := cat.Import(t.Context(), "../k", dir, &stages{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a bad name: %v", err)
	}
}

func TestImportIgnoresLinksThatLeaveTheDirectory(t *testing.T) {
	outside := onDisk(t, fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz("6.1.0"), Mode: 0o644}})
	dir := onDisk(t, fstest.MapFS{"boot/vmlinuz": {Data: []byte(outside + "/vmlinuz"), Mode: fs.ModeSymlink}})
	cat := newCatalog(t)
	if m, err := cat.Import(t.Context(), "k", dir, &stages{}); !errors.Is(err, fault.Invalid) {
		t.Errorf("%+v, %v; want Invalid", m, err)
	}
}
