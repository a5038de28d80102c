package hostfiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/hostfiles"
	"github.com/bangervm/banger/internal/vm"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAndDirectories(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, ".tool/auth"), "secret", 0o600)
	write(t, filepath.Join(home, ".tool/sub/x"), "x", 0o644)
	write(t, filepath.Join(home, "dotfiles/rc"), "rc", 0o644)
	if err := os.Symlink("dotfiles/rc", filepath.Join(home, ".rc")); err != nil {
		t.Fatal(err)
	}
	got, notes := hostfiles.Read(t.Context(), home, []hostfiles.Source{
		{Host: "~/.tool", Guest: "/root/.tool"}, {Host: "~/.rc", Guest: "/root/.rc", Mode: 0o640}, {Host: "~/none", Guest: "/root/none"},
	})
	want := []vm.File{
		{Path: "/root/.tool/auth", Mode: 0o600, Data: []byte("secret")},
		{Path: "/root/.tool/sub/x", Mode: 0o644, Data: []byte("x")},
		{Path: "/root/.rc", Mode: 0o640, Data: []byte("rc")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "none does not exist") {
		t.Errorf("notes = %q", notes)
	}
}

func TestWhatDoesNotFitIsSaid(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, "big"), strings.Repeat("secret", hostfiles.MaxBytes), 0o600)
	write(t, filepath.Join(home, "small"), "s", 0o600)
	got, notes := hostfiles.Read(t.Context(), home, []hostfiles.Source{{Host: "~/big", Guest: "/b"}, {Host: "~/small", Guest: "/s"}})
	if len(got) != 1 || got[0].Path != "/s" || len(notes) != 1 || strings.Contains(notes[0], "secret") {
		t.Errorf("Read = %d files, %q", len(got), notes)
	}
}
