package oci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// writeLayout makes an OCI layout with the images as tags.
func writeLayout(t *testing.T, tags map[string]v1.Image) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for tag, img := range tags {
		if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// archiveOf makes a tar of a directory.
func archiveOf(t *testing.T, dir string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "archive.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(f)
	if err := errors.Join(tw.AddFS(os.DirFS(dir)), tw.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPullFromLocalSources(t *testing.T) {
	one, two := makeTar(t, "a", "one", "b", "one"), makeTar(t, "a", "two")
	img := makeImage(t, "amd64", makeLayer(t, one, gzipped(t, one)), makeLayer(t, two, zstded(t, two)))
	dir := writeLayout(t, map[string]v1.Image{"v1": img, "v2": makeImage(t, "amd64", makeLayer(t, two, two))})
	single := writeLayout(t, map[string]v1.Image{"v1": img})
	docker := filepath.Join(t.TempDir(), "docker.tar")
	tag, err := name.NewTag("app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(docker, tag, img); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(t.TempDir(), "root.tar")
	packed := filepath.Join(t.TempDir(), "root.tar.zst")
	if err := errors.Join(os.WriteFile(plain, one, 0o600), os.WriteFile(packed, zstded(t, one), 0o600)); err != nil {
		t.Fatal(err)
	}
	merged, ones := map[string]string{"a": "two", "b": "one"}, map[string]string{"a": "one", "b": "one"}
	tests := []struct {
		ref   string
		input io.Reader
		want  map[string]string
	}{
		{"oci:" + dir + ":v1", nil, merged},
		{"oci:" + dir + ":v2", nil, map[string]string{"a": "two"}},
		{"oci:" + single, nil, merged},
		{"oci-archive:" + archiveOf(t, single), nil, merged},
		{"docker-archive:" + docker, nil, merged},
		{"tar:" + plain, nil, ones},
		{"tar:" + packed, nil, ones},
		{"tar:-", bytes.NewReader(one), ones},
		{"tar:-", bytes.NewReader(gzipped(t, one)), ones},
	}
	for _, test := range tests {
		t.Run(test.ref[:strings.IndexByte(test.ref, ':')], func(t *testing.T) {
			c := newSetup(t)
			files, info, err := c.pull(t.Context(), mustRef(t, test.ref), test.input)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, files); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			if !image.ValidDigest(info.Digest) || info.Architecture != "amd64" || info.OS != "linux" {
				t.Errorf("info %+v", info)
			}
			if blobs, others := c.leftovers(t); len(blobs)+len(others) != 0 {
				t.Errorf("left in the cache: %v %v", blobs, others)
			}
		})
	}
}

func TestLocalSourceFaults(t *testing.T) {
	one := makeTar(t, "a", noise(100_000))
	img := makeImage(t, "amd64", makeLayer(t, one, one))
	dir := writeLayout(t, map[string]v1.Image{"v1": img})
	second := makeTar(t, "a", "two")
	two := writeLayout(t, map[string]v1.Image{"v1": img, "v2": makeImage(t, "amd64", makeLayer(t, second, second))})
	damaged := writeLayout(t, map[string]v1.Image{"v1": img})
	l, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	hexed := strings.TrimPrefix(digestOf(t, l[0]), "sha256:")
	if err := os.WriteFile(filepath.Join(damaged, "blobs", "sha256", hexed), one[:len(one)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	climbing := writeLayout(t, map[string]v1.Image{"v1": img})
	blob := filepath.Join(climbing, "blobs", "sha256", hexed)
	if err := errors.Join(os.Remove(blob), os.Symlink("/etc/passwd", blob)); err != nil {
		t.Fatal(err)
	}
	xz := filepath.Join(t.TempDir(), "x.tar.xz")
	if err := os.WriteFile(xz, []byte{0xfd, '7', 'z', 'X', 'Z', 0, 0, 0}, 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.tar")
	if err := os.WriteFile(short, one[:50_000], 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, ref string
		want      fault.Code
		message   string
	}{
		{"no directory", "oci:/nonexistent/x", fault.NotFound, "/nonexistent/x"},
		{"no layout", "oci:" + t.TempDir(), fault.Invalid, "index.json"},
		{"no tag", "oci:" + dir + ":v9", fault.NotFound, "v9"},
		{"which tag", "oci:" + two, fault.Invalid, "v1, v2"},
		{"a damaged blob", "oci:" + damaged, fault.Invalid, "truncated"},
		{"a blob that leads outside", "oci:" + climbing, fault.Invalid, "escapes"},
		{"no file", "tar:/nonexistent/x.tar", fault.NotFound, "/nonexistent/x.tar"},
		{"a directory", "tar:" + dir, fault.Invalid, "regular file"},
		{"xz", "tar:" + xz, fault.Invalid, "xz"},
		{"a truncated tar", "tar:" + short, fault.Invalid, "middle of an entry"},
		{"no docker archive", "docker-archive:" + short, fault.Invalid, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newSetup(t)
			_, _, err := c.pull(t.Context(), mustRef(t, test.ref), nil)
			if err == nil {
				t.Fatal("no error")
			}
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error (%s) %v; want %s with %q", fault.CodeOf(err), err, test.want, test.message)
			}
			if strings.Contains(err.Error(), "root:") {
				t.Errorf("the error shows another file: %v", err)
			}
		})
	}
}

// TestLayoutWithPipes: who made the layout cannot have the pull wait for a pipe's writer.
func TestLayoutWithPipes(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "index.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := newSetup(t).pull(t.Context(), mustRef(t, "oci:"+dir), nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v, want Invalid", err)
	}
}

func TestCancelEndsStandardInput(t *testing.T) {
	c := newSetup(t)
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = w.Write(makeTar(t, "a", "x")[:600])
		cancel()
	}()
	start := time.Now()
	_, _, err := c.pull(ctx, mustRef(t, "tar:-"), r)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestSparseFilesAreWhole(t *testing.T) {
	// What GNU tar makes of a file with a hole: --sparse, PAX format 1.0.
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := f.WriteAt([]byte("start"), 0)
	_, err2 := f.WriteAt([]byte("middle"), 1<<20)
	if err := errors.Join(err1, err2, f.Truncate(2<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 2<<20)
	copy(want, "start")
	copy(want[1<<20:], "middle")
	for _, format := range []string{"gnu", "pax"} {
		file := filepath.Join(t.TempDir(), "sparse.tar")
		run(t, "tar", "--sparse", "--format="+format, "-C", dir, "-cf", file, "holes")
		if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 {
			t.Skip("the filesystem of the tests keeps no holes")
		}
		files, _, err := newSetup(t).pull(t.Context(), mustRef(t, "tar:"+file), nil)
		if err != nil || files["holes"] != string(want) {
			t.Errorf("%s: %d bytes, error %v", format, len(files["holes"]), err)
		}
	}
}

func TestSweepRemovesOnlyWhatIsUnfinished(t *testing.T) {
	c := newSetup(t)
	sub := filepath.Join(c.dir, "sha256")
	whole := filepath.Join(sub, strings.Repeat("a", 64))
	if err := errors.Join(os.MkdirAll(sub, 0o700), os.WriteFile(whole, nil, 0o600),
		os.WriteFile(filepath.Join(sub, "123.staging"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := c.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if blobs, others := c.leftovers(t); len(blobs) != 1 || len(others) != 0 {
		t.Errorf("left: %v %v", blobs, others)
	}
}
