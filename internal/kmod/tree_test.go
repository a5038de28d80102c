package kmod

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
)

type silent struct{}

func (silent) Stage(string)               {}
func (silent) Detail(string, ...any)      {}
func (silent) Count(int64, int64, string) {}

func xzOf(t *testing.T, data []byte) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "xz", "-c", "--check=crc32", "--lzma2=dict=1MiB")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal("no xz:", err)
		}
		t.Skip("no xz:", err)
	}
	return out
}

func TestFillDecompressesAndLeavesOut(t *testing.T) {
	module := kerneltest.Module{Name: "m"}.ELF()
	file := func(b []byte) *fstest.MapFile { return &fstest.MapFile{Data: b} }
	fsys := fstest.MapFS{
		"m/kernel/a.ko":       file(module),
		"m/kernel/b.ko.gz":    file(kerneltest.Gzip(module)),
		"m/kernel/c.ko.xz":    file(xzOf(t, module)),
		"m/kernel/d.ko.zst":   file(kerneltest.Zstd(module)),
		"m/modules.order":     file([]byte("kernel/b.ko.gz\nkernel/a.ko\nnonsense\n")),
		"m/modules.builtin":   file([]byte("kernel/x.ko\n")),
		"m/modules.dep":       file([]byte("stale")),
		"m/vmlinuz":           file([]byte("large")),
		"m/vdso/vdso64.so":    file([]byte("library")),
		"m/build":             {Data: []byte("/usr/src"), Mode: os.ModeSymlink},
		"m/kernel/linked.ko":  {Data: []byte("a.ko"), Mode: os.ModeSymlink},
		"m/kernel/README.txt": file([]byte("text")),
	}
	tr, err := makeTree(t.TempDir(), "6.1")
	if err != nil {
		t.Fatal(err)
	}
	n, err := tr.fill(t.Context(), fsys, "m", silent{})
	if err != nil || n != 4 {
		t.Fatalf("%d modules, %v; want 4", n, err)
	}
	for _, name := range []string{"a.ko", "b.ko", "c.ko", "d.ko"} {
		if got, err := os.ReadFile(filepath.Join(tr.dir, "kernel", name)); err != nil || !bytes.Equal(got, module) {
			t.Errorf("%s: %d bytes, %v; want the module's %d", name, len(got), err, len(module))
		}
	}
	if got, err := os.ReadFile(filepath.Join(tr.dir, "modules.order")); string(got) != "kernel/b.ko\nkernel/a.ko\n" {
		t.Errorf("modules.order is %q, %v", got, err)
	}
	for _, name := range []string{"modules.dep", "vmlinuz", "vdso", "build", "kernel/linked.ko", "kernel/README.txt"} {
		if _, err := os.Lstat(filepath.Join(tr.dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s was taken: %v", name, err)
		}
	}
}

func TestFillRefusesADirectoryWithoutModules(t *testing.T) {
	tr, err := makeTree(t.TempDir(), "6.1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = tr.fill(t.Context(), fstest.MapFS{"m/modules.order": {Data: nil}}, "m", silent{})
	if !errors.Is(err, fault.Invalid) {
		t.Errorf("%v, want Invalid", err)
	}
}

func TestPackIsDeterministicAndLetsMkfsStopEarly(t *testing.T) {
	if _, err := FindDepmod(); err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	pack := func(mkfs MakeFilesystem) error {
		dir := t.TempDir()
		work := filepath.Join(dir, "work")
		if err := os.Mkdir(work, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := New(mkfs).Pack(t.Context(), kernel.ModuleRequest{
			FS: kerneltest.Void("6.6.1_1"), Dir: "usr/lib/modules/6.6.1_1", Version: "6.6.1_1",
			WorkDir: work, Image: filepath.Join(dir, "image"), BootDir: filepath.Join(dir, "boot"),
		}, silent{})
		return err
	}
	var streams [2][]byte
	for i := range streams {
		err := pack(func(_ context.Context, tar io.Reader, _ string) (err error) {
			streams[i], err = io.ReadAll(tar)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(streams[0], streams[1]) {
		t.Error("two packings of one tree differ")
	}
	if err := pack(func(context.Context, io.Reader, string) error { return nil }); err != nil {
		t.Errorf("mkfs that reads nothing: %v", err)
	}
	if err := pack(func(context.Context, io.Reader, string) error { return io.ErrShortWrite }); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("mkfs that fails: %v", err)
	}
}

func TestDepmodMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if path, err := FindDepmod(); err == nil && !strings.Contains(path, "bin/") {
		t.Errorf("found %s", path)
	} else if err != nil && (!errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() == "") {
		t.Errorf("%v, want Unavailable with a hint", err)
	}
}

// TestDepmodIsConfined: what it may take is bounded, and it knows nothing of the
// daemon's environment.
func TestDepmodIsConfined(t *testing.T) {
	bin, said := t.TempDir(), filepath.Join(t.TempDir(), "said")
	script := "#!/bin/sh\n{ env; for l in t v f n c; do echo limit $l $(ulimit -$l); done; } >" + said + "\nyes >&2 & yes | head -c 300000 >&2; kill $!; exit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "depmod"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("ANTHROPIC_API_KEY", "secret")
	tr, err := makeTree(t.TempDir(), "6.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.depmod(t.Context()); !errors.Is(err, fault.Invalid) || len(err.Error()) > 1000 {
		t.Errorf("error %v, want a short fault Invalid", err)
	}
	got, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"t 240", "v 2097152", "f 2097152", "n 256", "c 0"} {
		if !strings.Contains(string(got), "limit "+limit+"\n") {
			t.Errorf("no limit %q in %s", limit, got)
		}
	}
	if strings.Contains(string(got), "secret") {
		t.Errorf("depmod got the daemon's environment: %s", got)
	}
}
