package oci

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestScratchIsGivenBack: a pull needs room for its files about once, not twice; and what
// is the user's own is not touched.
func TestScratchIsGivenBack(t *testing.T) {
	const size = 3 * freeStep
	for name, owned := range map[string]bool{"scratch": true, "the user's own": false} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "layer"))
			if err != nil {
				t.Fatal(err)
			}
			content := bytes.Repeat([]byte{0x5a}, size)
			if _, err := f.Write(content); err != nil {
				t.Fatal(err)
			}
			c := NewClient(t.TempDir(), Options{})
			s := c.newSpools(1)
			one := s.layer(0)
			one.plain, one.files = f, []*os.File{f}
			if owned {
				one.scratch = f
			}
			before := allocated(t, f)
			for at := int64(0); at < size; at += freeStep {
				got, err := io.ReadAll(s.Open(0, false, at, freeStep))
				if err != nil || !bytes.Equal(got, content[:freeStep]) {
					t.Fatalf("at %d: %d bytes, not as written: %v", at, len(got), err)
				}
			}
			want := before
			if owned {
				want = before - 2*freeStep // the last step is still being read
			}
			if got := allocated(t, f); got > want || !owned && got != want {
				t.Errorf("it takes %d bytes of disk, want %d", got, want)
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func allocated(t *testing.T, f *os.File) int64 {
	t.Helper()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
