package diskuse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func write(t testing.TB, path string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHardLinksCountOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/one"), 1<<20)
	write(t, filepath.Join(dir, "b/two"), 1<<20)
	if err := errors.Join(os.Link(filepath.Join(dir, "a/one"), filepath.Join(dir, "b/one")), os.Symlink("/", filepath.Join(dir, "b/link"))); err != nil {
		t.Fatal(err)
	}
	sparse := filepath.Join(dir, "a/sparse")
	write(t, sparse, 10)
	if err := os.Truncate(sparse, 1<<40); err != nil {
		t.Fatal(err)
	}
	m := New()
	for _, test := range []struct {
		path string
		want int64
	}{{"a", 1 << 20}, {"b", 1 << 20}, {"a", 0}, {"none", 0}} {
		got, err := m.Add(t.Context(), filepath.Join(dir, test.path))
		if err != nil || got < test.want || got > test.want+64<<10 {
			t.Errorf("%s: %d, %v; want about %d", test.path, got, err, test.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New().Add(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

// TestRanges: the bytes of a span that are new are those that no span before had.
// TestALinkToADirectory: of the path itself a link is followed, below it none is.
func TestALinkToADirectory(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "image", "rootfs.ext4"), 256<<10)
	write(t, filepath.Join(elsewhere, "big"), 512<<10)
	want, err := New().Add(t.Context(), filepath.Join(dir, "image"))
	if err != nil || want < 256<<10 {
		t.Fatalf("%d bytes, %v", want, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "image"), link); err != nil {
		t.Fatal(err)
	}
	if got, err := New().Add(t.Context(), link); err != nil || got != want {
		t.Errorf("by a link %d bytes, %v; want %d", got, err, want)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "image", "more")); err != nil {
		t.Fatal(err)
	}
	if got, err := New().Add(t.Context(), link); err != nil || got > want+64<<10 {
		t.Errorf("with a link below %d bytes, %v; want about %d", got, err, want)
	}
}

func TestRanges(t *testing.T) {
	r := &ranges{}
	for i, test := range []struct {
		from, end uint64
		want      int64
	}{
		{10, 20, 10}, {10, 20, 0}, {30, 40, 10}, {15, 35, 10}, {0, 5, 5}, {4, 50, 15}, {50, 60, 10}, {100, 101, 1}, {0, 200, 139},
	} {
		if got := r.add(span{test.from, test.end}); got != test.want {
			t.Errorf("%d: [%d, %d) has %d new bytes, want %d", i, test.from, test.end, got, test.want)
		}
	}
	if len(r.spans) != 1 {
		t.Errorf("spans %v", r.spans)
	}
}

// BenchmarkImages measures 200 images, of which half share their files.
func BenchmarkImages(b *testing.B) {
	dir := b.TempDir()
	for i := range 200 {
		image := filepath.Join(dir, fmt.Sprint(i))
		write(b, filepath.Join(image, "manifest.json"), 1000)
		if i%2 == 1 {
			if err := os.Link(filepath.Join(dir, fmt.Sprint(i-1), "rootfs.ext4"), filepath.Join(image, "rootfs.ext4")); err != nil {
				b.Fatal(err)
			}
			continue
		}
		write(b, filepath.Join(image, "rootfs.ext4"), 256<<10)
	}
	for b.Loop() {
		if _, err := New().Add(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
}
