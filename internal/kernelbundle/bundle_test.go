package kernelbundle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/statedir"
)

func file(name, content string) (tar.Header, string) {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644}, content
}

func link(kind byte, name, target string) (tar.Header, string) {
	return tar.Header{Typeflag: kind, Name: name, Linkname: target}, ""
}

type member struct {
	h       tar.Header
	content string
}

func one(h tar.Header, content string) member { return member{h, content} }

func bundle(t testing.TB, members ...member) []byte {
	t.Helper()
	return compress(t, plainBundle(t, members...))
}

// plainBundle is one before its compression.
func plainBundle(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	out := tar.NewWriter(&b)
	for _, m := range members {
		if err := out.WriteHeader(&m.h); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// encoder is one for all: making one takes longer than a whole bundle.
var encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(64<<10))
})

func compress(t testing.TB, data []byte) []byte {
	t.Helper()
	z, err := encoder()
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(data, nil)
}

func TestUnpackTakesFilesDirectoriesAndSafeLinks(t *testing.T) {
	dir := t.TempDir()
	data := bundle(
		t, one(link(tar.TypeDir, "./", "")), one(link(tar.TypeDir, "boot-modules/", "")), one(file("vmlinux", "k")), one(file("boot-modules/a.ko", "a")),
		one(link(tar.TypeSymlink, "boot-modules/b.ko", "../vmlinux")), one(link(tar.TypeLink, "same", "vmlinux")), one(file("deep/er/file", "d")),
	)
	if err := Unpack(t.Context(), bytes.NewReader(data), dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"vmlinux": "k", "boot-modules/a.ko": "a", "boot-modules/b.ko": "k", "same": "k", "deep/er/file": "d"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	fifo, _ := link(tar.TypeFifo, "fifo", "")
	device := tar.Header{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}
	huge := tar.Header{Typeflag: tar.TypeReg, Name: "huge", Size: maxFile + 1, Format: tar.FormatGNU}
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&huge); err != nil {
		t.Fatal(err)
	}
	many := make([]member, maxEntries+1)
	for i := range many {
		many[i] = one(link(tar.TypeDir, "d", ""))
	}
	for name, data := range map[string][]byte{
		"a name that climbs":            bundle(t, one(file("../x", "x"))),
		"a name that climbs inside":     bundle(t, one(file("a/../../x", "x"))),
		"an absolute name":              bundle(t, one(file("/x", "x"))),
		"a link that climbs":            bundle(t, one(link(tar.TypeSymlink, "l", "../x"))),
		"links that climb together":     bundle(t, one(link(tar.TypeDir, "a/b", "")), one(link(tar.TypeSymlink, "a/b/up", "../..")), one(link(tar.TypeSymlink, "l", "a/b/up/../dir"))),
		"a link to nothing":             bundle(t, one(link(tar.TypeSymlink, "l", "x"))),
		"a link to itself":              bundle(t, one(link(tar.TypeSymlink, "l", "l"))),
		"an absolute link":              bundle(t, one(link(tar.TypeSymlink, "l", "/etc/passwd"))),
		"a hard link that climbs":       bundle(t, one(link(tar.TypeLink, "l", "../x"))),
		"a hard link to what is not":    bundle(t, one(link(tar.TypeLink, "l", "x"))),
		"a file below a link to a file": bundle(t, one(file("f", "x")), one(link(tar.TypeSymlink, "l", "f")), one(file("l/x", "x"))),
		"a name twice":                  bundle(t, one(file("f", "x")), one(file("f", "y"))),
		"a file for a link":             bundle(t, one(file("f", "x")), one(link(tar.TypeSymlink, "l", "f")), one(file("l", "y"))),
		"a pipe":                        bundle(t, member{h: fifo}),
		"a device":                      bundle(t, member{h: device}),
		"a deep name":                   bundle(t, one(file(strings.Repeat("d/", maxDepth)+"f", "x"))),
		"a long name":                   bundle(t, one(file(strings.Repeat("n", maxName+1), "x"))),
		"too many":                      bundle(t, many...),
		"a huge file":                   compress(t, head.Bytes()),
		"a tar that ends early":         compress(t, head.Bytes()[:300]),
		"no zstd":                       []byte("hello"),
		"a huge window":                 {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			dir := filepath.Join(outside, "dir")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := Unpack(t.Context(), bytes.NewReader(data), dir); !errors.Is(err, fault.Invalid) {
				t.Errorf("error %v, want Invalid", err)
			}
			if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
				t.Errorf("outside are %v, %v", left, err)
			}
		})
	}
}

func TestUnpackEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Unpack(ctx, bytes.NewReader(bundle(t, one(file("f", "x")))), t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// imported writes the files of a kernel.
func imported(t *testing.T) (kernel.Manifest, statedir.Kernel) {
	t.Helper()
	dir := statedir.Kernel(t.TempDir())
	files := map[string]string{
		dir.Vmlinux(): "kernel", dir.Modules(): strings.Repeat("m", 1<<20),
		filepath.Join(dir.BootModules(), "b.ko"): "b", filepath.Join(dir.BootModules(), "a.ko"): "a",
	}
	if err := os.Mkdir(dir.BootModules(), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return kernel.Manifest{
		Name: "k", Version: "6.1.0", Architecture: "amd64", Modules: 2, BootModules: []string{"b.ko"}, LateModules: []string{"a.ko"},
	}, dir
}

func TestPackGivesTheSameBytes(t *testing.T) {
	var bundles [2][]byte
	var entries [2]kernel.Entry
	for i := range bundles {
		m, dir := imported(t)
		to := t.TempDir()
		e, err := Pack(t.Context(), m, dir, to)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Validate("file:///c.json"); err != nil {
			t.Error(err)
		}
		if bundles[i], err = os.ReadFile(filepath.Join(to, e.TarballURL)); err != nil || int64(len(bundles[i])) != e.SizeBytes {
			t.Errorf("%d bytes of %d, %v", len(bundles[i]), e.SizeBytes, err)
		}
		if left, err := os.ReadDir(to); err != nil || len(left) != 1 {
			t.Errorf("left %v, %v", left, err)
		}
		entries[i] = e
	}
	if !bytes.Equal(bundles[0], bundles[1]) || entries[0] != entries[1] {
		t.Errorf("%+v and %+v", entries[0], entries[1])
	}
	dir := t.TempDir()
	if err := Unpack(t.Context(), bytes.NewReader(bundles[0]), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{kernel.BundleManifest, "vmlinux", "modules.ext4", "boot-modules/a.ko", "boot-modules/b.ko"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// FuzzUnpack: nothing of a bundle is outside, and all of it is a file, a directory
// or a link.
func FuzzUnpack(f *testing.F) {
	f.Add(bundle(f, one(file("vmlinux", "k")), one(link(tar.TypeSymlink, "l", "vmlinux"))))
	f.Add(bundle(f, one(file("../x", "k"))))
	f.Add(bundle(f, one(link(tar.TypeSymlink, "l", "..")), one(file("l/x", "x"))))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00})
	for _, raw := range [][]byte{
		plainBundle(
			f, one(link(tar.TypeDir, "./", "")), one(link(tar.TypeDir, "boot-modules/", "")), one(file(kernel.BundleManifest, `{"format":1,"version":"6.1.0"}`)),
			one(file("vmlinux", "k")), one(file("boot-modules/a.ko", "a")), one(link(tar.TypeSymlink, "boot-modules/b.ko", "../vmlinux")),
			one(link(tar.TypeLink, "same", "vmlinux")), one(file("deep/er/file", "d")),
		),
		plainBundle(f, one(link(tar.TypeDir, "a/b", "")), one(link(tar.TypeSymlink, "a/b/up", "../..")), one(link(tar.TypeSymlink, "l", "a/b/up/../dir"))),
		plainBundle(f, one(file("f", "x")), one(link(tar.TypeSymlink, "l", "f")), one(file("l/x", "x")), one(link(tar.TypeLink, "m", "l"))),
		plainBundle(f, one(file(strings.Repeat("n", 200), "a long name: a PAX record")), one(link(tar.TypeSymlink, "s", strings.Repeat("t", 200)))),
		plainBundle(f, member{h: tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("g", 200), Size: 1, Format: tar.FormatGNU}, content: "x"}),
		plainBundle(f, member{h: tar.Header{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}}, member{h: tar.Header{Typeflag: tar.TypeFifo, Name: "p"}}),
	} {
		f.Add(raw)
		f.Add(compress(f, raw))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		// The compression hides the tar from the fuzzer: try it plain too.
		for _, data := range [][]byte{data, compress(t, data)} {
			outside := t.TempDir()
			dir := filepath.Join(outside, "dir")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_ = Unpack(t.Context(), bytes.NewReader(data), dir)
			if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
				t.Fatalf("outside are %v, %v", left, err)
			}
			err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err == nil && e.Type()&^(fs.ModeDir|fs.ModeSymlink) != 0 {
					t.Errorf("%s is %v", path, e.Type())
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
