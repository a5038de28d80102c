package kernel_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/kernel"
)

func TestCompareVersions(t *testing.T) {
	// Each before the next.
	ordered := []string{
		"5.10.0-33-amd64",
		"6.1.0-9-cloud-amd64",
		"6.1.0-56-cloud-amd64",
		"6.1.10-1",
		"6.6.9-0-lts",
		"6.6.52-0-lts",
		"6.6.52_1",
		"6.6.52_2",
		"6.7.0-rc3",
		"6.7.0-rc10",
		"6.7.0",
		"6.7.0-1",
		"6.10.0",
		"10.0",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			got := kernel.CompareVersions(a, b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("CompareVersions(%q, %q) = %d", a, b, got)
			}
		}
	}
}

func TestCompareVersionsIsAnOrder(t *testing.T) {
	version := rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,2}){0,2}(-rc[0-9]|[-_+~][0-9a-z]{1,3}){0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(version, 3, 3).Draw(t, "versions")
		if c := kernel.CompareVersions(v[0], v[1]); c != -kernel.CompareVersions(v[1], v[0]) {
			t.Errorf("not antisymmetric: %q", v[:2])
		}
		slices.SortFunc(v, kernel.CompareVersions)
		if kernel.CompareVersions(v[0], v[2]) > 0 {
			t.Errorf("not transitive: %q", v)
		}
		if (kernel.CompareVersions(v[0], v[1]) == 0) != (v[0] == v[1]) {
			t.Errorf("equal only when the same: %q", v[:2])
		}
	})
}

func TestCheckName(t *testing.T) {
	long := string(slices.Repeat([]byte("a"), 63))
	for _, name := range []string{"debian-12", "6.1.0", "a", "x_y", long} {
		if err := kernel.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "-a", "a-", "A", "ä", "a b", "x.staging", long + "a", "a\n"} {
		if err := kernel.CheckName(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}
