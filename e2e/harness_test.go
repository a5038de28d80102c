//go:build e2e

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHarnessSeesWhatIsLeft makes one of each thing that a script might leave,
// and expects the check to name it.
func TestHarnessSeesWhatIsLeft(t *testing.T) {
	acct, err := theSuite.accounts.lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer theSuite.accounts.release(acct)
	base := filepath.Join(theSuite.dir, "leaky")
	if err := acct.makeBase(base); err != nil {
		t.Fatal(err)
	}
	if found, err := leaks(t.Context(), acct, base); err != nil || len(found) != 0 {
		t.Fatalf("before: %q, %v", found, err)
	}

	state := filepath.Join(base, stateBelowHome)
	for _, dir := range []string{filepath.Join(state, "vms", "0123456789abcdef"), filepath.Join(state, "images", "x.staging")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", filepath.Join(base, "run", "left.sock")) //nolint:noctx // there is nothing to cancel
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	sleeper := acct.command(t.Context(), base, "sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	}()

	found, err := leaks(t.Context(), acct, base)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(found, "\n")
	for _, want := range []string{"process ", "sleep 1000", "socket ", "left.sock", "staging ", "x.staging", "VM directory ", "0123456789abcdef"} {
		if !strings.Contains(all, want) {
			t.Errorf("the check does not name %q:\n%s", want, all)
		}
	}
}
