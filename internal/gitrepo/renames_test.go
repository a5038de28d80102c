package gitrepo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/workspace"
)

// symlink makes a link in the place of what is there.
func symlink(t *testing.T, dir, name, target string) {
	t.Helper()
	_ = os.Remove(filepath.Join(dir, name))
	if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// withLink is a work tree whose one commit has a link, sent.
func withLink(t *testing.T, target string) *loop {
	t.Helper()
	requireGit(t)
	t.Setenv("HOME", t.TempDir())
	l := newLoop(t, t.TempDir())
	symlink(t, l.host, "b", target)
	git(t, l.host, "add", "-A")
	git(t, l.host, "commit", "-q", "-m", "first")
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
	put(l.guest, "b/inner", "x\n")
	freshClone(t, l, files(t, l.host))
	git(t, l.guest, "add", "-A")
	git(t, l.guest, "commit", "-q", "-m", "second")
	file, _, err := l.export(workspace.Mbox, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	git(t, l.host, "am", "-q", file)
	same(t, "after git am", files(t, l.guest), files(t, l.host))
}

// docs/workspaces.md tells users of it.
func TestOnlyApplyMakesADirectoryOfALinkToItself(t *testing.T) {
	l := withLink(t, "b")
	if err := os.Remove(filepath.Join(l.guest, "b")); err != nil {
		t.Fatal(err)
	}
	put(l.guest, "b/inner", "x\n")
	file, _, err := l.export(workspace.Patch, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	if !loopBecomesDirectory(t, l.host, l.guest) {
		t.Error("the property test does not know the case")
	}
	if out, err := tryGit(l.host, "apply", file); err == nil || !strings.Contains(out, "symbolic link") {
		t.Errorf("git apply = %v, %s: it can do it by now, and the property test need not leave it out", err, out)
	}
	l.applied(t)
	same(t, "after --apply", files(t, l.guest), files(t, l.host))
}

// What the index has counts, though its file was not there when it was sent.
func TestIgnoredAndStagedFilesComeBackWithoutGit(t *testing.T) {
	requireGit(t)
	t.Setenv("HOME", t.TempDir())
	for _, noGit := range []bool{false, true} {
		l := newLoop(t, t.TempDir())
		l.noGit = noGit
		put(l.host, "x.log", "staged\n")
		git(t, l.host, "add", "-A")
		if err := os.Remove(filepath.Join(l.host, "x.log")); err != nil {
			t.Fatal(err)
		}
		if err := l.prepare(workspace.Shallow, false); err != nil {
			t.Fatal(err)
		}
		put(l.guest, "x.log", "again\n")
		put(l.guest, "y.log", "never staged\n")
		put(l.guest, ".gitignore", "*.log\n")
		l.applied(t)
		if got := files(t, l.host)["x.log"]; got != "false again\n" {
			t.Errorf("guest without git %v: x.log = %q", noGit, got)
		}
		if _, there := files(t, l.host)["y.log"]; there {
			t.Errorf("guest without git %v: an ignored file came back", noGit)
		}
	}
}
