package gitrepo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// withLink is a work tree whose one commit has a link, sent.
func withLink(t *testing.T, target string) *loop {
	t.Helper()
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	l := newLoop(t, t.TempDir())
	gittest.Symlink(t, l.host, "b", target)
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "commit", "-q", "-m", "first")
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Fatal(err)
	}
	return l
}

// Git takes what is in the directory for something beyond the link, unless the
// patch deletes the link by its mode.
func TestALinkIsRenamedAndADirectoryTakesItsPlace(t *testing.T) {
	l := withLink(t, "a")
	if err := os.Rename(filepath.Join(l.guest, "b"), filepath.Join(l.guest, "moved")); err != nil {
		t.Fatal(err)
	}
	gittest.Put(l.guest, "b/inner", "x\n")
	freshClone(t, l, gittest.Files(t, l.host))
	gittest.Git(t, l.guest, "add", "-A")
	gittest.Git(t, l.guest, "commit", "-q", "-m", "second")
	file, _, err := l.export(workspace.Mbox, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, l.host, "am", "-q", file)
	gittest.Same(t, "after git am", gittest.Files(t, l.guest), gittest.Files(t, l.host))
}

// docs/workspaces.md tells users of it.
func TestOnlyApplyMakesADirectoryOfALinkToItself(t *testing.T) {
	l := withLink(t, "b")
	if err := os.Remove(filepath.Join(l.guest, "b")); err != nil {
		t.Fatal(err)
	}
	gittest.Put(l.guest, "b/inner", "x\n")
	file, _, err := l.export(workspace.Patch, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	if !loopBecomesDirectory(t, l.host, l.guest) {
		t.Error("the property test does not know the case")
	}
	if out, err := gittest.Try(l.host, "apply", file); err == nil || !strings.Contains(out, "symbolic link") {
		t.Errorf("git apply = %v, %s: it can do it by now, and the property test need not leave it out", err, out)
	}
	l.applied(t)
	gittest.Same(t, "after --apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
}

// What the index has counts, though its file was not there when it was sent.
func TestIgnoredAndStagedFilesComeBackWithoutGit(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	for _, noGit := range []bool{false, true} {
		l := newLoop(t, t.TempDir())
		l.noGit = noGit
		gittest.Put(l.host, "x.log", "staged\n")
		gittest.Git(t, l.host, "add", "-A")
		if err := os.Remove(filepath.Join(l.host, "x.log")); err != nil {
			t.Fatal(err)
		}
		if err := l.prepare(workspace.Shallow, false); err != nil {
			t.Fatal(err)
		}
		gittest.Put(l.guest, "x.log", "again\n")
		gittest.Put(l.guest, "y.log", "never staged\n")
		gittest.Put(l.guest, ".gitignore", "*.log\n")
		l.applied(t)
		if got := gittest.Files(t, l.host)["x.log"]; got != "false again\n" {
			t.Errorf("guest without git %v: x.log = %q", noGit, got)
		}
		if _, there := gittest.Files(t, l.host)["y.log"]; there {
			t.Errorf("guest without git %v: an ignored file came back", noGit)
		}
	}
}
