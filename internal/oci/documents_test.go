package oci_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestADigestIsPulledAgainWithoutItsRegistry: from the cache, as long as that is
// whole.
func TestADigestIsPulledAgainWithoutItsRegistry(t *testing.T) {
	s, c := newServer(t), newSetup(t)
	layer := makeTar(t, "a", noise(100_000))
	ref := s.push(t, "team/app:1", makeImage(t, "amd64", makeLayer(t, layer, gzipped(t, layer))))
	_, info, err := c.pull(t.Context(), ref, nil)
	if err != nil {
		t.Fatal(err)
	}
	down := 0
	s.setTamper(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		down++
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	byDigest := ref
	byDigest.Tag, byDigest.Digest = "", info.Digest
	files, again, err := c.pull(t.Context(), byDigest, nil)
	if err != nil || files["a"] != noise(100_000) || again.Digest != info.Digest || again.Config.User != info.Config.User || down != 0 {
		t.Errorf("by its digest: %d files, %+v, %v; asked %d times", len(files), again, err, down)
	}
	if recalled, found := c.Recall(t.Context(), byDigest); !found || cmp.Diff(again, recalled) != "" || down != 0 {
		t.Errorf("recalled: %v, %s; asked %d times", found, cmp.Diff(again, recalled), down)
	}
	if _, found := c.Recall(t.Context(), ref); found {
		t.Error("a tag was recalled")
	}
	if _, _, err := c.pull(t.Context(), ref, nil); err == nil || down == 0 {
		t.Errorf("a tag was not asked for: %v", err)
	}

	// What is not there is not asked for.
	gone := byDigest
	gone.Digest = "sha256:" + strings.Repeat("0", 64)
	before := down
	if _, found := c.Recall(t.Context(), gone); found || down != before {
		t.Errorf("recalled: %v; asked %d times", found, down-before)
	}

	// What is damaged is fetched, and then kept again.
	blob := filepath.Join(c.dir, "sha256", strings.TrimPrefix(info.Digest, "sha256:"))
	if err := os.WriteFile(blob, []byte(`{"schemaVersion": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.pull(t.Context(), byDigest, nil); err == nil {
		t.Error("a manifest with another digest was believed")
	}
	s.setTamper(nil)
	if _, _, err := c.pull(t.Context(), byDigest, nil); err != nil {
		t.Errorf("with its registry: %v", err)
	}
}
