package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/workspace"
)

// applyRequest exports the guest's work for the host's work tree.
func (l *loop) applyRequest(t *testing.T) workspace.ApplyRequest {
	t.Helper()
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil {
		t.Fatal(err)
	}
	return workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}
}

// git knows no empty directories, and stops at one in a file's place.
func TestApplyReplacesEmptyDirectories(t *testing.T) {
	l := prepared(t)
	if err := os.MkdirAll(filepath.Join(l.host, "d", "e", "f"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(l.guest, "d", "a file\n")
	conflicts, err := apply(t.Context(), l.git, l.applyRequest(t))
	if err != nil || len(conflicts) > 0 {
		t.Fatalf("conflicts = %v, %v", conflicts, err)
	}
	same(t, "after the patch", files(t, l.guest), files(t, l.host))
}

func TestApplyFindsAFileWhereItNeedsADirectory(t *testing.T) {
	l := prepared(t)
	put(l.host, "d", "mine\n")
	put(l.guest, "d/inner", "x\n")
	put(l.guest, "a", "two\n")
	before := files(t, l.host)
	conflicts, err := apply(t.Context(), l.git, l.applyRequest(t))
	if err != nil || strings.Join(conflicts, " ") != "d" {
		t.Errorf("conflicts = %v, %v; want d", conflicts, err)
	}
	same(t, "a patch that does not apply", before, files(t, l.host))
}

// Git prints such names as they are, or with marks in their place.
func TestApplyNamesWhatIsInTheWayWhateverItsName(t *testing.T) {
	for _, name := range []string{"new\nline", "a bell\a", "caf\xe9", "tab\there", "with: colon", "error: a"} {
		l := prepared(t)
		put(l.guest, name, "theirs\n")
		put(l.host, name, "mine\n")
		conflicts, err := apply(t.Context(), l.git, l.applyRequest(t))
		if err != nil || len(conflicts) != 1 || conflicts[0] != name {
			t.Errorf("conflicts = %q, %v; want %q", conflicts, err, name)
		}
	}
}

// What is saved in an editor while a patch is applied is not written over.
func TestApplyStopsAtWhatChangesMeanwhile(t *testing.T) {
	for _, at := range []int{1, 5, 9} {
		c := newCrashing(t)
		g := gitrepo.New(gitrepo.DefaultLimits(), c.crash.Applies)
		step := 0
		g.SetStep(func() {
			if step++; step == at {
				put(c.l.host, "untracked", "saved\n")
			}
		})
		conflicts, err := apply(t.Context(), g, *c.crash.Request)
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "untracked") {
			t.Errorf("apply: conflicts %v, %v; want Conflict, with the file", conflicts, err)
		}
		want := files(t, c.saved)
		want["untracked"] = "false saved\n"
		same(t, "after it", want, files(t, c.l.host))
	}
}

// Git believes nothing else of files with these marks.
func TestApplySeesFilesThatGitDoesNotLookAt(t *testing.T) {
	for _, mark := range []string{"--assume-unchanged", "--skip-worktree"} {
		l := prepared(t)
		put(l.guest, "a", "two\n")
		req := l.applyRequest(t)
		git(t, l.host, "update-index", mark, "a")
		put(l.host, "a", "mine\n")
		conflicts, err := apply(t.Context(), l.git, req)
		if err != nil || strings.Join(conflicts, " ") != "a" || files(t, l.host)["a"] != "false mine\n" {
			t.Errorf("%s: conflicts = %v, %v; want a", mark, conflicts, err)
		}
		put(l.host, "a", "one\n")
		index := read(t, filepath.Join(l.host, ".git", "index"))
		l.applied(t)
		if files(t, l.host)["a"] != "false two\n" || read(t, filepath.Join(l.host, ".git", "index")) != index {
			t.Errorf("%s: not applied, or the user's index changed", mark)
		}
	}
}
