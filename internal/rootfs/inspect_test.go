package rootfs_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/rootfs"
)

func dir(name string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}}
}

func link(name, target string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}}
}

// program is the beginning of an ELF program for a machine.
func program(name string, machine byte) file {
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[18] = machine
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755}, body: head}
}

func makeRoot(t *testing.T, files []file) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rootfs.ext4")
	if _, err := rootfs.FromTar(t.Context(), bytes.NewReader(makeTar(t, files)), path, rootfs.Options{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// change writes b at a place in a file.
func change(t *testing.T, path string, at int64, b ...byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt(b, at)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

const x8664, aarch64, riscv = 62, 183, 243

func TestInspect(t *testing.T) {
	for name, test := range map[string]struct {
		files []file
		arch  string
		err   string
	}{
		"merged /usr, with links": {[]file{
			dir("usr/"), dir("usr/bin/"), program("usr/bin/dash", x8664),
			link("usr/bin/sh", "dash"), link("bin", "usr/bin"),
		}, "amd64", ""},
		"for arm":                {[]file{dir("bin/"), program("bin/busybox", aarch64)}, "arm64", ""},
		"for neither":            {[]file{dir("bin/"), program("bin/sh", riscv)}, "", "another architecture"},
		"without a known one":    {[]file{dir("etc/"), link("bin", "/bin")}, "", ""},
		"links beyond the root":  {[]file{dir("bin/"), link("bin/sh", "../../../bin/a"), program("bin/a", x8664)}, "amd64", ""},
		"nothing that is a root": {[]file{dir("home/")}, "", "none of /usr, /bin, /sbin and /etc"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rootfs.Inspect(t.Context(), makeRoot(t, test.files))
			if test.err != "" {
				if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want Invalid: %s", err, test.err)
				}
				return
			}
			if err != nil || got.Architecture != test.arch || got.SizeBytes == 0 {
				t.Errorf("%+v, %v; want %q", got, err, test.arch)
			}
		})
	}
}

func TestInspectRefuses(t *testing.T) {
	root := []file{dir("bin/")}
	changed := func(at int64, b ...byte) string {
		path := makeRoot(t, root)
		change(t, path, at, b...)
		return path
	}
	written := func(content string) string {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		path, want string
		code       fault.Code
	}{
		"mounted":       {changed(1024+0x3A, 0, 0), "not cleanly unmounted", fault.Invalid},
		"with errors":   {changed(1024+0x3A, 3, 0), "has errors", fault.Invalid},
		"cut off":       {written(strings.Repeat("\x00", 1024)), "1024 bytes", fault.Invalid},
		"no filesystem": {written(strings.Repeat("x", 8192)), "no ext4 filesystem", fault.Invalid},
		"partitions":    {written(strings.Repeat("\x00", 510) + "\x55\xaa" + strings.Repeat("\x00", 4096)), "partition table", fault.Invalid},
		"qcow2":         {written("QFI\xfb" + strings.Repeat("\x00", 4096)), "qcow2", fault.Invalid},
		"a directory":   {t.TempDir(), "not a regular file", fault.Invalid},
		"a pipe":        {fifo, "not a regular file", fault.Invalid},
		"not there":     {filepath.Join(t.TempDir(), "no"), "no such file", fault.NotFound},
	} {
		if _, err := rootfs.Inspect(t.Context(), test.path); !errors.Is(err, test.code) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s: %s", name, err, test.code, test.want)
		}
	}
}

// TestTheSameFilesMakeTheSameFilesystem: a VM's disk refers to files of its image by
// their inodes and the filesystem's UUID.
func TestTheSameFilesMakeTheSameFilesystem(t *testing.T) {
	files := makeTar(t, torture())
	path := filepath.Join(t.TempDir(), "rootfs.ext4")
	write := func(uuid string) rootfs.Info {
		info, err := rootfs.FromTar(t.Context(), bytes.NewReader(files), path, rootfs.Options{UUID: uuid, Hash: true})
		if err != nil {
			t.Fatal(err)
		}
		if read, err := rootfs.Describe(t.Context(), path); err != nil || read != info {
			t.Fatalf("written %+v, then read %+v (%v)", info, read, err)
		}
		return info
	}
	first, other := write(""), write("")
	if again := write(first.UUID); again != first {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if other.SHA256 == first.SHA256 || other.UUID == first.UUID {
		t.Errorf("two filesystems have the UUID %s", first.UUID)
	}
	change(t, path, 1<<14, 0x5a)
	if changed, err := rootfs.Describe(t.Context(), path); err != nil || changed.SHA256 == first.SHA256 {
		t.Errorf("a changed byte is not seen: %v", err)
	}
	if _, err := rootfs.FromTar(t.Context(), bytes.NewReader(files), path, rootfs.Options{UUID: "x"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a UUID that is none: %v", err)
	}
}

// TestCloneOfAPipe: the user's file may have been replaced since it was looked at, and
// nothing may wait for a pipe's writer.
func TestCloneOfAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rootfs.Clone(t.Context(), filepath.Join(dir, "pipe"), filepath.Join(dir, "copy")); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v, want Invalid", err)
	}
}

func TestClone(t *testing.T) {
	src, dst := makeRoot(t, []file{dir("bin/")}), filepath.Join(t.TempDir(), "copy")
	if err := rootfs.Clone(t.Context(), src, dst); err != nil {
		t.Fatal(err)
	}
	a, errA := rootfs.Describe(t.Context(), src)
	b, errB := rootfs.Describe(t.Context(), dst)
	if errA != nil || errB != nil || a.SHA256 != b.SHA256 || a.SizeBytes != b.SizeBytes {
		t.Errorf("%+v became %+v (%v, %v)", a, b, errA, errB)
	}
	if err := rootfs.Clone(t.Context(), src, dst); err == nil {
		t.Error("a file that exists was replaced")
	}
}
