package gitrepo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/workspace"
)

// TestParseDiff: what git prints is read, and what is cut off at any item is an error.
func TestParseDiff(t *testing.T) {
	whole := strings.Split(":100644 100755 a b M|f|:100644 100644 a b R100|old|new|:000000 100644 a b A|bin|3\t1\tf|0\t0\t|old|new|-\t-\tbin", "|")
	got, err := parseDiff(whole)
	want := []workspace.File{
		{Path: "f", Status: "modified", Mode: "100755", OldMode: "100644", Insertions: 3, Deletions: 1},
		{Path: "new", From: "old", Status: "renamed", Mode: "100644", OldMode: "100644"},
		{Path: "bin", Status: "added", Mode: "100644", Binary: true},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	for n := 1; n < len(whole); n++ {
		if got, err := parseDiff(whole[:n]); err == nil {
			t.Errorf("the first %d items: %+v", n, got)
		}
	}
	for _, bad := range []string{":100644 a b M", ":100644 100644 a b M|../f", ":100644 100644 a b M|f|many"} {
		if got, err := parseDiff(strings.Split(bad, "|")); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}
