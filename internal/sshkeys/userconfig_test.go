package sshkeys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/statedir"
)

func TestUserConfigKeepsWhatIsTheUsers(t *testing.T) {
	for name, before := range map[string]string{
		"empty": "", "hosts": "Host a\n    User b\n", "no last newline": "Host a", "crlf": "Host a\r\n  User b\r\n",
		"another include": "Include other\n# Include \"/x\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			dirs := statedir.Dirs{State: filepath.Join(t.TempDir(), "state")}
			file := filepath.Join(t.TempDir(), "new", ".ssh", "config")
			if before != "" {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for i, want := range []bool{true, false} {
				if changed, err := sshkeys.InstallConfig(dirs, file, "Host *.vm\n"); err != nil || changed != want {
					t.Fatalf("install %d: %v, %v", i, changed, err)
				}
			}
			include := "Include \"" + dirs.SSHConfig() + "\"\n"
			if got := textOf(t, file); got != include+before {
				t.Errorf("got %q", got)
			}
			if got := textOf(t, dirs.SSHConfig()); got != "Host *.vm\n" {
				t.Errorf("banger's own: %q", got)
			}
			want := os.FileMode(0o644)
			if before == "" {
				want = 0o600
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			for i, want := range []bool{true, false} {
				if changed, err := sshkeys.RemoveConfig(dirs, file); err != nil || changed != want {
					t.Fatalf("remove %d: %v, %v", i, changed, err)
				}
			}
			if got := textOf(t, file); got != before {
				t.Errorf("after removal %q", got)
			}
			if _, err := os.Stat(dirs.SSHConfig()); !os.IsNotExist(err) {
				t.Errorf("banger's own is still there: %v", err)
			}
		})
	}
}

// A user's file that is a link into a repository of theirs stays one.
func TestUserConfigBehindLinks(t *testing.T) {
	dirs := statedir.Dirs{State: filepath.Join(t.TempDir(), "state")}
	home, repo := t.TempDir(), t.TempDir()
	link, real := filepath.Join(home, "config"), filepath.Join(repo, "ssh_config")
	if err := os.Symlink("middle", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, filepath.Join(home, "middle")); err != nil {
		t.Fatal(err)
	}
	if _, err := sshkeys.InstallConfig(dirs, link, "x\n"); err != nil {
		t.Fatal(err)
	}
	if got := textOf(t, real); !strings.HasPrefix(got, "Include ") {
		t.Errorf("got %q", got)
	}
	if to, err := os.Readlink(link); err != nil || to != "middle" {
		t.Errorf("the link: %q, %v", to, err)
	}
	if err := os.Remove(real); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(link, real); err != nil {
		t.Fatal(err)
	}
	if _, err := sshkeys.InstallConfig(dirs, link, "x\n"); err == nil {
		t.Error("links in a circle were written to")
	}
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAUserConfigThatCannotBeWrittenIsToldSo(t *testing.T) {
	const nobodyWrites = "/sys/kernel" // not even root
	dirs := statedir.Dirs{State: filepath.Join(t.TempDir(), "state")}
	_, err := sshkeys.InstallConfig(dirs, filepath.Join(nobodyWrites, "ssh_config"), "Host *.vm\n")
	if !errors.Is(err, fault.PermissionDenied) || fault.HintOf(err).String() == "" {
		t.Errorf("got %v (hint %q)", err, fault.HintOf(err).String())
	}
}
