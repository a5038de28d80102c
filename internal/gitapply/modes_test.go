package gitapply_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
)

// Bangerd's umask is not the user's.
func TestAppliedFilesHaveThePermissionsOfTheirPlace(t *testing.T) {
	before := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(before) })
	l := prepared(t)
	for name, mode := range map[string]fs.FileMode{".": 0o775, "a": 0o664} {
		if err := os.Chmod(filepath.Join(l.host, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	gittest.Put(l.guest, "a", "two\n")
	gittest.Put(l.guest, "dir/deep/new", "new\n")
	gittest.Put(l.guest, "tool", "tool\n")
	if err := os.Chmod(filepath.Join(l.guest, "tool"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.applied(t)
	for name, want := range map[string]fs.FileMode{"a": 0o664, "dir": 0o775, "dir/deep": 0o775, "dir/deep/new": 0o664, "tool": 0o775} {
		info, err := os.Stat(filepath.Join(l.host, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, info.Mode().Perm(), err, want)
		}
	}
}
