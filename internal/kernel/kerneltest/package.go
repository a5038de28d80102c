package kerneltest

import (
	"os"
	"testing"

	"github.com/bangervm/banger/e2e/fixture"
)

// Package returns the directory of Debian's kernel package, unpacked. Without
// one the test is skipped, or fails where BANGER_TEST_REQUIRE=1.
func Package(t *testing.T) string {
	t.Helper()
	cache, err := fixture.Open()
	if err != nil {
		skip(t, err)
	}
	dir, err := cache.Path(t.Context(), "kernel")
	if err != nil {
		skip(t, err)
	}
	return dir
}

func skip(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal("no kernel package:", err)
	}
	t.Skip("no kernel package:", err)
}
