package gitapply_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// git knows no empty directories, and stops at one in a file's place.
func TestApplyReplacesEmptyDirectories(t *testing.T) {
	l := prepared(t)
	if err := os.MkdirAll(filepath.Join(l.host, "d", "e", "f"), 0o755); err != nil {
		t.Fatal(err)
	}
	gittest.Put(l.guest, "d", "a file\n")
	conflicts, err := apply(t.Context(), l.applier, l.request(t))
	if err != nil || len(conflicts) > 0 {
		t.Fatalf("conflicts = %v, %v", conflicts, err)
	}
	gittest.Same(t, "after the patch", gittest.Files(t, l.guest), gittest.Files(t, l.host))
}

func TestApplyFindsAFileWhereItNeedsADirectory(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.host, "d", "mine\n")
	gittest.Put(l.guest, "d/inner", "x\n")
	gittest.Put(l.guest, "a", "two\n")
	before := gittest.Files(t, l.host)
	conflicts, err := apply(t.Context(), l.applier, l.request(t))
	if err != nil || strings.Join(conflicts, " ") != "d" {
		t.Errorf("conflicts = %v, %v; want d", conflicts, err)
	}
	gittest.Same(t, "a patch that does not apply", before, gittest.Files(t, l.host))
}

// Git prints such names as they are, or with marks in their place.
func TestApplyNamesWhatIsInTheWayWhateverItsName(t *testing.T) {
	for _, name := range []string{"new\nline", "a bell\a", "caf\xe9", "tab\there", "with: colon", "error: a"} {
		l := prepared(t)
		gittest.Put(l.guest, name, "theirs\n")
		gittest.Put(l.host, name, "mine\n")
		conflicts, err := apply(t.Context(), l.applier, l.request(t))
		if err != nil || len(conflicts) != 1 || conflicts[0] != name {
			t.Errorf("conflicts = %q, %v; want %q", conflicts, err, name)
		}
	}
}

// Git believes nothing else of files with these marks.
func TestApplySeesFilesThatGitDoesNotLookAt(t *testing.T) {
	for _, mark := range []string{"--assume-unchanged", "--skip-worktree"} {
		l := prepared(t)
		gittest.Put(l.guest, "a", "two\n")
		req := l.request(t)
		gittest.Git(t, l.host, "update-index", mark, "a")
		gittest.Put(l.host, "a", "mine\n")
		conflicts, err := apply(t.Context(), l.applier, req)
		if err != nil || strings.Join(conflicts, " ") != "a" || gittest.Files(t, l.host)["a"] != "false mine\n" {
			t.Errorf("%s: conflicts = %v, %v; want a", mark, conflicts, err)
		}
		gittest.Put(l.host, "a", "one\n")
		index := gittest.Read(t, filepath.Join(l.host, ".git", "index"))
		l.applied(t)
		if gittest.Files(t, l.host)["a"] != "false two\n" || gittest.Read(t, filepath.Join(l.host, ".git", "index")) != index {
			t.Errorf("%s: not applied, or the user's index changed", mark)
		}
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "a", "two\n")
	gittest.Put(l.guest, "new", "new\n")
	gittest.Put(l.host, "a", "something else\n")
	before := gittest.Files(t, l.host)
	conflicts, err := apply(t.Context(), l.applier, l.request(t))
	if err != nil || strings.Join(conflicts, " ") != "a" {
		t.Errorf("conflicts = %v, %v; want a", conflicts, err)
	}
	gittest.Same(t, "a patch that does not apply", before, gittest.Files(t, l.host))
}

// A directory that becomes a file may hold what git ignores, which git apply
// notices only when it writes.
func TestApplyDoesNotStartWhatItCannotFinish(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.host, "d/x", "x\n")
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "commit", "-q", "-m", "d")
	l.copy(t)
	gittest.Put(l.host, "d/ignored.log", "mine\n")
	if err := os.RemoveAll(filepath.Join(l.guest, "d")); err != nil {
		t.Fatal(err)
	}
	gittest.Put(l.guest, "d", "a file now\n")
	gittest.Put(l.guest, "a", "two\n")
	before := gittest.Files(t, l.host)
	req := l.request(t)
	conflicts, err := apply(t.Context(), l.applier, req)
	if err != nil || strings.Join(conflicts, " ") != "d" {
		t.Errorf("conflicts = %v, %v; want d", conflicts, err)
	}
	gittest.Same(t, "a patch that does not apply", before, gittest.Files(t, l.host))
	// git alone would begin, and what it did is undone.
	if _, err := apply(t.Context(), l.applier, workspace.ApplyRequest{Top: l.host, Patch: req.Patch, Files: []workspace.File{
		{Path: "a", Status: "modified"}, {Path: "d/x", Status: "deleted"},
	}}); err == nil {
		t.Error("git has written over a directory")
	}
	gittest.Same(t, "after a patch that failed in the middle", before, gittest.Files(t, l.host))
	if err := os.Remove(filepath.Join(l.host, "d/ignored.log")); err != nil {
		t.Fatal(err)
	}
	l.applied(t)
	gittest.Same(t, "after git apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
}
