package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/workspace"
)

func withSubmodule(t *testing.T) *loop {
	t.Helper()
	requireGit(t)
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	git(t, inner, "init", "-q")
	put(inner, "i", "i\n")
	git(t, inner, "add", "-A")
	git(t, inner, "commit", "-q", "-m", "inner")
	l := newLoop(t, dir)
	put(l.host, "o", "o\n")
	git(t, l.host, "add", "-A")
	git(t, l.host, "submodule", "--quiet", "add", inner, "sub")
	git(t, l.host, "commit", "-q", "-m", "outer")
	put(l.host, "sub/i", "i\ndirty\n")
	return l
}

func TestSubmodules(t *testing.T) {
	for _, noGit := range []bool{false, true} {
		l := withSubmodule(t)
		l.noGit = noGit
		err := l.prepare(workspace.Shallow, false)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "shallow") || !strings.Contains(err.Error(), "sub") {
			t.Errorf("shallow = %v; want Invalid, naming the mode and the submodule", err)
		}
		if _, err := os.Lstat(l.guest); !os.IsNotExist(err) {
			t.Errorf("something is in the guest: %v", err)
		}
		if err := l.prepare(workspace.FullCopy, false); err != nil {
			t.Fatal(err)
		}
		if want, got := status(t, l.host), status(t, l.guest); want != got {
			t.Errorf("status\n%q\nwant\n%q", got, want)
		}
		put(l.guest, "sub/i", "i\ndirty\nmore\n")
		if !noGit {
			git(t, filepath.Join(l.guest, "sub"), "commit", "-q", "-a", "-m", "in the submodule")
		}
		put(l.guest, "sub/new", "new\n")
		put(l.guest, "o", "changed\n")
		l.applied(t)
		same(t, "after git apply", files(t, l.guest), files(t, l.host))
	}
}

// Git does not look into the directory of a submodule that is not checked out.
func TestFilesInTheDirectoryOfASubmoduleAreNotLost(t *testing.T) {
	for name, change := range map[string]func(l *loop){
		"not checked out": func(l *loop) { git(t, l.host, "submodule", "--quiet", "deinit", "-f", "sub") },
		"its repository is removed in the guest": func(l *loop) {
			put(l.host, "sub/i", "i\ndirty\n")
		},
	} {
		for _, noGit := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, guest without git %v", name, noGit), func(t *testing.T) {
				l := withSubmodule(t)
				l.noGit = noGit
				change(l)
				if err := l.prepare(workspace.FullCopy, false); err != nil {
					t.Fatal(err)
				}
				if err := os.RemoveAll(filepath.Join(l.guest, "sub", ".git")); err != nil {
					t.Fatal(err)
				}
				put(l.guest, "sub/i", "changed\n")
				put(l.guest, "sub/deep/new", "new\n")
				l.applied(t)
				same(t, "after git apply", files(t, l.guest), files(t, l.host))
			})
		}
	}
}

func TestAFileTakesThePlaceOfASubmodule(t *testing.T) {
	for _, noGit := range []bool{false, true} {
		l := withSubmodule(t)
		l.noGit = noGit
		git(t, l.host, "submodule", "--quiet", "deinit", "-f", "sub")
		if err := l.prepare(workspace.FullCopy, false); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(l.guest, "sub")); err != nil {
			t.Fatal(err)
		}
		put(l.guest, "sub", "a file\n")
		l.applied(t)
		same(t, "after git apply", files(t, l.guest), files(t, l.host))
	}
}

func TestARepositoryThatWasClonedInTheGuestIsNotLost(t *testing.T) {
	l := prepared(t)
	git(t, l.guest, "init", "-q", "vendor")
	put(l.guest, "vendor/v", "v\n")
	git(t, filepath.Join(l.guest, "vendor"), "add", "-A")
	git(t, filepath.Join(l.guest, "vendor"), "commit", "-q", "-m", "v")
	git(t, l.guest, "init", "-q", "unborn")
	put(l.guest, "unborn/u", "u\n")
	l.applied(t)
	same(t, "after git apply", files(t, l.guest), files(t, l.host))
}
