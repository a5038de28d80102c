//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestJailer runs the script about Firecracker's jailer, on real KVM: see e2e/kvm.
func TestJailer(t *testing.T) {
	program := os.Getenv("BANGER_E2E_FIRECRACKER")
	if program == "" || os.Getenv("BANGER_TEST_KVM") != "1" {
		t.Skip("runs in make e2e-kvm, where BANGER_E2E_FIRECRACKER names a Firecracker")
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(program), "jailer")); err != nil {
		missing(t, "%v", err)
	}
	spawnScript(t, theSuite, "testdata/jailer.txtar")
}
