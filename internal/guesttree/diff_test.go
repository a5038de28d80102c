package guesttree_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/ext4/ext4test"
	"github.com/bangervm/banger/internal/guesttree"
)

func TestDiff(t *testing.T) {
	a, b := text(t, "a"), text(t, "b")
	image := ext4test.Open(t, ext4test.Make(t, placed([]string{
		"mkdir etc", "write " + a + " etc/same", "write " + a + " etc/gone", "write " + a + " etc/changed", "mkdir root",
	})...))
	base := []string{"mkdir system", "mkdir system/upper", "mkdir system/work", "mkdir system/upper/etc", "write " + a + " system/upper/etc/own"}
	older := ext4test.Open(t, ext4test.Make(t, placed(base)...))
	newer := ext4test.Open(t, ext4test.Make(t, placed(append(slices.Clip(base),
		"mknod system/upper/etc/gone c 0 0", "write "+b+" system/upper/etc/changed", "write "+b+" system/upper/etc/new",
		"sif system/upper/etc/own mode 0100755", "write "+a+" system/upper/etc/same", "sif system/upper/etc/same mtime 20200101",
	))...))
	got, all, err := guesttree.Diff(t.Context(), guesttree.Source{Image: image, Disk: older}, guesttree.Source{Image: image, Disk: newer}, 3)
	want := []guesttree.Difference{
		{Path: "/etc/changed", Kind: guesttree.Changed}, {Path: "/etc/gone", Kind: guesttree.Deleted}, {Path: "/etc/new", Kind: guesttree.Added},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" || all != 4 {
		t.Errorf("%d in all, %v\n%s", all, err, diff)
	}
	none, all, err := guesttree.Diff(t.Context(), guesttree.Source{Image: image, Disk: older}, guesttree.Source{Image: image, Disk: older}, 3)
	if err != nil || all != 0 || len(none) != 0 {
		t.Errorf("of itself: %v, %d, %v", none, all, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := guesttree.Diff(ended, guesttree.Source{Image: image}, guesttree.Source{Image: image}, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("Diff = %v", err)
	}
}
