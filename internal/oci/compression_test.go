package oci_test

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/oci/flatten"
)

// zstdWindow is frames of no content that ask for windows of 2^log bytes.
func zstdWindow(log byte, frames int) []byte {
	return bytes.Repeat([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0}, frames)
}

func TestCompressedTars(t *testing.T) {
	raw := makeTar(t, "a", "one")
	half := len(raw) / 2
	zipped, zs := gzipped(t, raw), zstded(t, raw)
	empty := bytes.Repeat(gzipped(t, nil), 1000)
	tests := []struct {
		name  string
		bytes []byte
		want  string // of the error; empty: it is taken
	}{
		{"gzip", zipped, ""},
		{"gzip of several members", slices.Concat(gzipped(t, raw[:half]), gzipped(t, raw[half:])), ""},
		{"gzip with empty members", slices.Concat(empty, zipped, empty), ""},
		{"gzip with zeros after it", append(slices.Clone(zipped), make([]byte, 100_000)...), ""},
		{"gzip with other bytes after it", append(slices.Clone(zipped), "garbage"...), "not gzip follows"},
		{"gzip with zeros and other bytes after it", append(append(slices.Clone(zipped), 0, 0, 0), "garbage"...), "not gzip follows"},
		{"gzip cut short", zipped[:len(zipped)-9], "cannot decompress"},
		{"gzip cut short in a second member's header", append(slices.Clone(zipped), zipped[:5]...), "cannot decompress"},
		{"zstd", zs, ""},
		{"zstd of several frames, one to be skipped", slices.Concat(zstded(t, raw[:half]), []byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9}, zstded(t, raw[half:])), ""},
		{"zstd with other bytes after it", append(slices.Clone(zs), "garbage"...), "not zstd follows"},
		{"zstd with the biggest window", append(zstdWindow(27, 1), zs...), ""},
		{"zstd with a window that is too big", append(zstdWindow(28, 1), zs...), "more than 128 MiB of memory"},
		{"zstd with the biggest window there is", append(zstdWindow(41, 1), zs...), "more than 128 MiB of memory"},
		{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0, 0}, "xz -d"},
		{"bzip2", []byte("BZh91AY&SY"), "bzip2 -d"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files, _, err := newSetup(t).pull(t.Context(), mustRef(t, "tar:-"), bytes.NewReader(test.bytes))
			if test.want == "" && (err != nil || files["a"] != "one") {
				t.Errorf("got %v, %v", files, err)
			}
			if test.want != "" && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error()+fault.HintOf(err).String(), test.want)) {
				t.Errorf("error %v (hint %q), want a fault Invalid with %q", err, fault.HintOf(err).String(), test.want)
			}
		})
	}
}

// TestDecompressorsMemory: what a stream asks for is allocated once, not for
// each of its frames.
func TestDecompressorsMemory(t *testing.T) {
	raw := makeTar(t, "a", "one")
	for name, stream := range map[string][]byte{
		"zstd frames with big windows": append(zstdWindow(27, 200), zstded(t, raw)...),
		"gzip members":                 append(bytes.Repeat(gzipped(t, nil), 5000), gzipped(t, raw)...),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, _, err := newSetup(t).pull(t.Context(), mustRef(t, "tar:-"), bytes.NewReader(stream)); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if n := int64(after.TotalAlloc - before.TotalAlloc); n > 300<<20 {
				t.Errorf("%s were allocated", fault.Bytes(n))
			}
		})
	}
}

// TestBombs: what is small when compressed is held to what it is when it is not.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 8<<20)
	head := makeTar(t, "zeros", string(zeros))
	for name, stream := range map[string][]byte{
		"gzip": gzipped(t, head), "zstd": zstded(t, head), "gzip padding": gzipped(t, zeros), "zstd padding": zstded(t, zeros),
		"gzip without content": append(bytes.Repeat(gzipped(t, nil), 100_000), gzipped(t, head)...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := setup{oci.NewClient(dir, oci.Options{Architecture: "amd64", Limits: flatten.Limits{Bytes: 1 << 20}}), dir}
			_, _, err := c.pull(t.Context(), mustRef(t, "tar:-"), bytes.NewReader(stream))
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "1 MiB") {
				t.Errorf("error %v, want a fault Invalid with the limit", err)
			}
			if blobs, others := c.leftovers(t); len(blobs)+len(others) != 0 {
				t.Errorf("left in the cache: %v %v", blobs, others)
			}
		})
	}
	t.Run("an endless stream of nothing", func(t *testing.T) {
		dir := t.TempDir()
		c := setup{oci.NewClient(dir, oci.Options{Architecture: "amd64", Limits: flatten.Limits{Bytes: 1 << 20}}), dir}
		_, _, err := c.pull(t.Context(), mustRef(t, "tar:-"), &endless{once: gzipped(t, nil)})
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "1 MiB") {
			t.Errorf("error %v, want a fault Invalid with the limit", err)
		}
	})
}

// endless repeats bytes without an end.
type endless struct {
	once []byte
	r    bytes.Reader
}

func (e *endless) Read(b []byte) (int, error) {
	if e.r.Len() == 0 {
		e.r.Reset(e.once)
	}
	return e.r.Read(b)
}

// TestArchivesGivenAsTars: an image's archive is not taken for the files of a
// root filesystem.
func TestArchivesGivenAsTars(t *testing.T) {
	for name, test := range map[string]struct {
		pairs []string
		want  string
	}{
		"docker save":               {[]string{"manifest.json", "[]", "repositories", "{}", "abc/layer.tar", ""}, "docker-archive:FILE"},
		"docker save since 25":      {[]string{"manifest.json", "[]", "oci-layout", "{}", "index.json", "{}", "blobs/sha256/a", ""}, "docker-archive:FILE"},
		"an OCI archive":            {[]string{"oci-layout", "{}", "index.json", "{}", "blobs/sha256/a", ""}, "oci-archive:FILE"},
		"a system with such files":  {[]string{"manifest.json", "[]", "etc/passwd", ""}, ""},
		"a file of no system":       {[]string{"app", "elf"}, ""},
		"one index.json of its own": {[]string{"index.json", "{}"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := newSetup(t).pull(t.Context(), mustRef(t, "tar:-"), bytes.NewReader(makeTar(t, test.pairs...)))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(fault.HintOf(err).String(), test.want) {
				t.Errorf("error %v (hint %q), want %q", err, fault.HintOf(err).String(), test.want)
			}
		})
	}
}
