package sshkeys_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/sshkeys"
)

func TestPublicKeyOfTheUsersOwn(t *testing.T) {
	for _, tt := range []struct {
		name, passphrase string
		pub              bool // the public half stands beside
	}{
		{"plain", "", true},
		{"without its public half", "", false},
		{"with a passphrase", "secret", true},
		{"with a passphrase, without its public half", "secret", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "id")
			out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-C", "me", "-N", tt.passphrase, "-f", path).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := strings.Join(strings.Fields(string(read(t, path+".pub")))[:2], " ")
			if !tt.pub {
				if err := os.Remove(path + ".pub"); err != nil {
					t.Fatal(err)
				}
			}
			got, err := sshkeys.PublicKey(path)
			if err != nil || !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestPublicKeyOfNothing(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := errors.Join(os.WriteFile(bad, []byte("no key"), 0o600), os.WriteFile(filepath.Join(dir, "half.pub"), []byte("no key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none"), bad, filepath.Join(dir, "half")} {
		if _, err := sshkeys.PublicKey(path); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
