package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

func withSubmodule(t *testing.T) *loop {
	t.Helper()
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, inner, "init", "-q")
	gittest.Put(inner, "i", "i\n")
	gittest.Git(t, inner, "add", "-A")
	gittest.Git(t, inner, "commit", "-q", "-m", "inner")
	l := newLoop(t, dir)
	gittest.Put(l.host, "o", "o\n")
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "submodule", "--quiet", "add", inner, "sub")
	gittest.Git(t, l.host, "commit", "-q", "-m", "outer")
	gittest.Put(l.host, "sub/i", "i\ndirty\n")
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
		gittest.Put(l.guest, "sub/i", "i\ndirty\nmore\n")
		if !noGit {
			gittest.Git(t, filepath.Join(l.guest, "sub"), "commit", "-q", "-a", "-m", "in the submodule")
		}
		gittest.Put(l.guest, "sub/new", "new\n")
		gittest.Put(l.guest, "o", "changed\n")
		l.applied(t)
		gittest.Same(t, "after git apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
	}
}

// Git does not look into the directory of a submodule that is not checked out.
func TestFilesInTheDirectoryOfASubmoduleAreNotLost(t *testing.T) {
	for name, change := range map[string]func(l *loop){
		"not checked out": func(l *loop) { gittest.Git(t, l.host, "submodule", "--quiet", "deinit", "-f", "sub") },
		"its repository is removed in the guest": func(l *loop) {
			gittest.Put(l.host, "sub/i", "i\ndirty\n")
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
				gittest.Put(l.guest, "sub/i", "changed\n")
				gittest.Put(l.guest, "sub/deep/new", "new\n")
				l.applied(t)
				gittest.Same(t, "after git apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
			})
		}
	}
}

func TestAFileTakesThePlaceOfASubmodule(t *testing.T) {
	for _, noGit := range []bool{false, true} {
		l := withSubmodule(t)
		l.noGit = noGit
		gittest.Git(t, l.host, "submodule", "--quiet", "deinit", "-f", "sub")
		if err := l.prepare(workspace.FullCopy, false); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(l.guest, "sub")); err != nil {
			t.Fatal(err)
		}
		gittest.Put(l.guest, "sub", "a file\n")
		l.applied(t)
		gittest.Same(t, "after git apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
	}
}

func TestARepositoryThatWasClonedInTheGuestIsNotLost(t *testing.T) {
	l := prepared(t)
	gittest.Git(t, l.guest, "init", "-q", "vendor")
	gittest.Put(l.guest, "vendor/v", "v\n")
	gittest.Git(t, filepath.Join(l.guest, "vendor"), "add", "-A")
	gittest.Git(t, filepath.Join(l.guest, "vendor"), "commit", "-q", "-m", "v")
	gittest.Git(t, l.guest, "init", "-q", "unborn")
	gittest.Put(l.guest, "unborn/u", "u\n")
	l.applied(t)
	gittest.Same(t, "after git apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
}
