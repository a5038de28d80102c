package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// blobsIn makes a cache of blobs of 100 bytes, the first the least lately used.
func blobsIn(t *testing.T, names ...string) *Client {
	t.Helper()
	c := NewClient(t.TempDir(), Options{})
	if err := os.MkdirAll(filepath.Join(c.cache.dir, "sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		path := c.cache.path("sha256:" + name)
		if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *Client) left(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.cache.dir, "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names
}

func TestEvictByLastUse(t *testing.T) {
	c := blobsIn(t, "a", "b", "c", "d", "e.staging")
	c.cache.used("sha256:a", time.Unix(2000, 0))
	release := c.pins.hold([]layer{{digest: "sha256:b"}})
	if gone, err := c.cache.evict(t.Context(), &c.pins, 250); gone != 200 || err != nil {
		t.Errorf("%d bytes went, %v", gone, err)
	}
	if diff := cmp.Diff([]string{"a", "b", "e.staging"}, c.left(t)); diff != "" {
		t.Error(diff)
	}
	if n, err := c.Evictable(t.Context()); n != 100 || err != nil {
		t.Errorf("%d bytes could go, %v", n, err)
	}
	release()
	if gone, err := c.PruneCache(t.Context()); gone != 200 || err != nil {
		t.Errorf("%d bytes went, %v", gone, err)
	}
	if diff := cmp.Diff([]string{"e.staging"}, c.left(t)); diff != "" {
		t.Error(diff)
	}
	if gone, err := NewClient(filepath.Join(t.TempDir(), "none"), Options{}).PruneCache(t.Context()); gone != 0 || err != nil {
		t.Errorf("no cache: %d, %v", gone, err)
	}
}

// BenchmarkEvict looks at a cache of 2,000 blobs that is within its ceiling.
func BenchmarkEvict(b *testing.B) {
	c := NewClient(b.TempDir(), Options{})
	if err := os.MkdirAll(filepath.Join(c.cache.dir, "sha256"), 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range 2000 {
		if err := os.WriteFile(c.cache.path(fmt.Sprintf("sha256:%064d", i)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := c.cache.evict(b.Context(), &c.pins, 1<<30); err != nil {
			b.Fatal(err)
		}
	}
}
