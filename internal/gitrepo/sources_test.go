package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/workspace"
)

// applied exports the guest's work and applies it to the user's work tree.
func (l *loop) applied(t *testing.T) {
	t.Helper()
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil {
		t.Fatal(err)
	}
	conflicts, err := apply(t.Context(), l.git, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
	if err != nil || conflicts != nil {
		t.Fatalf("apply: %v, conflicts %v\n%s", err, conflicts, read(t, file))
	}
}

func TestWhatIsThereIsNotReplacedUnasked(t *testing.T) {
	l := prepared(t)
	put(l.guest, "mine", "precious\n")
	if err := l.prepare(workspace.Shallow, false); !errors.Is(err, fault.Conflict) {
		t.Errorf("prepare over work = %v; want Conflict", err)
	}
	if read(t, filepath.Join(l.guest, "mine")) != "precious\n" {
		t.Error("the work is gone")
	}
	if err := l.prepare(workspace.Shallow, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(l.guest, "mine")); !os.IsNotExist(err) {
		t.Errorf("replaced, and yet there: %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(l.guest))
	for _, e := range left {
		if strings.Contains(e.Name(), "staging") {
			t.Errorf("left behind: %s, %v", e.Name(), err)
		}
	}
}

func TestAMergeWithConflictsGoesIn(t *testing.T) {
	l := prepared(t)
	git(t, l.host, "checkout", "-q", "-b", "other")
	put(l.host, "a", "other\n")
	git(t, l.host, "commit", "-q", "-a", "-m", "other")
	git(t, l.host, "checkout", "-q", "main")
	put(l.host, "a", "mine\n")
	git(t, l.host, "commit", "-q", "-a", "-m", "mine")
	if out, err := tryGit(l.host, "merge", "other"); err == nil {
		t.Fatalf("no conflict: %s", out)
	}
	if err := l.prepare(workspace.Shallow, true); err != nil {
		t.Fatal(err)
	}
	if want, got := status(t, l.host), status(t, l.guest); want != got {
		t.Errorf("status\n%q\nwant\n%q", got, want)
	}
	put(l.guest, "a", "solved\n")
	l.applied(t)
	same(t, "after git apply", files(t, l.guest), files(t, l.host))
}

func TestCommitsElsewhereAreNamed(t *testing.T) {
	l := prepared(t)
	git(t, l.guest, "checkout", "-q", "-b", "side")
	put(l.guest, "side", "s\n")
	git(t, l.guest, "add", "-A")
	git(t, l.guest, "commit", "-q", "-m", "side")
	git(t, l.guest, "checkout", "-q", "main")
	put(l.guest, "a", "stashed\n")
	git(t, l.guest, "stash", "-q")
	got, err := l.collect(false)
	if err != nil || strings.Join(got.Elsewhere, " ") != "side stash" {
		t.Errorf("Elsewhere = %q, %v; want side and stash", got.Elsewhere, err)
	}
}

func TestAWorkTreeThatNobodySent(t *testing.T) {
	l := prepared(t)
	put(l.guest, "a", "two\n")
	git(t, l.guest, "commit", "-q", "-a", "-m", "two")
	put(l.guest, "b", "b\n")
	l.sent, l.vault = workspace.Contents{}, filepath.Join(filepath.Dir(l.guest), "fresh.git")
	got, err := l.collect(false)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(got.Head, got.Tree))
	if err != nil || len(changes) != 1 || changes[0].Path != "b" {
		t.Errorf("against the guest's HEAD: %+v, %v", changes, err)
	}
	l.noGit, l.vault = true, filepath.Join(filepath.Dir(l.guest), "none.git")
	if _, err := l.collect(false); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without git = %v; want Unavailable", err)
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	l := prepared(t)
	put(l.guest, "a", "two\n")
	put(l.guest, "new", "new\n")
	put(l.host, "a", "something else\n")
	before := files(t, l.host)
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil {
		t.Fatal(err)
	}
	conflicts, err := apply(t.Context(), l.git, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
	if err != nil || strings.Join(conflicts, " ") != "a" {
		t.Errorf("conflicts = %v, %v; want a", conflicts, err)
	}
	same(t, "a patch that does not apply", before, files(t, l.host))
}

// A directory that becomes a file may hold what git ignores, which git apply
// notices only when it writes.
func TestApplyDoesNotStartWhatItCannotFinish(t *testing.T) {
	l := prepared(t)
	put(l.host, "d/x", "x\n")
	git(t, l.host, "add", "-A")
	git(t, l.host, "commit", "-q", "-m", "d")
	if err := l.prepare(workspace.Shallow, true); err != nil {
		t.Fatal(err)
	}
	put(l.host, "d/ignored.log", "mine\n")
	if err := os.RemoveAll(filepath.Join(l.guest, "d")); err != nil {
		t.Fatal(err)
	}
	put(l.guest, "d", "a file now\n")
	put(l.guest, "a", "two\n")
	before := files(t, l.host)
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil {
		t.Fatal(err)
	}
	req := workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}
	conflicts, err := apply(t.Context(), l.git, req)
	if err != nil || strings.Join(conflicts, " ") != "d" {
		t.Errorf("conflicts = %v, %v; want d", conflicts, err)
	}
	same(t, "a patch that does not apply", before, files(t, l.host))
	// git alone would begin, and what it did is undone.
	if _, err := apply(t.Context(), l.git, workspace.ApplyRequest{Top: l.host, Patch: file, Files: []workspace.File{
		{Path: "a", Status: "modified"}, {Path: "d/x", Status: "deleted"},
	}}); err == nil {
		t.Error("git has written over a directory")
	}
	same(t, "after a patch that failed in the middle", before, files(t, l.host))
	if err := os.Remove(filepath.Join(l.host, "d/ignored.log")); err != nil {
		t.Fatal(err)
	}
	l.applied(t)
	same(t, "after git apply", files(t, l.guest), files(t, l.host))
}

func TestNoGitOnTheHost(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := gitrepo.New(gitrepo.DefaultLimits(), t.TempDir()).Pack(t.Context(), workspace.PackRequest{Path: "/", Vault: filepath.Join(t.TempDir(), "v")})
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("Pack = %v; want Unavailable", err)
	}
}

// With these marks git looks at a file no more, and still it is part of the
// work tree that is sent, and of the work that comes back.
func TestFilesThatGitDoesNotLookAtGoInAndComeBack(t *testing.T) {
	for _, mark := range []string{"--assume-unchanged", "--skip-worktree"} {
		for _, noGit := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, guest without git: %v", mark, noGit), func(t *testing.T) {
				requireGit(t)
				l := newLoop(t, t.TempDir())
				l.noGit = noGit
				put(l.host, "a", "one\n")
				put(l.host, "b", "one\n")
				put(l.host, "gone", "sparse\n")
				git(t, l.host, "add", ".")
				git(t, l.host, "commit", "-qm", "first")
				git(t, l.host, "update-index", mark, "a")
				git(t, l.host, "update-index", "--skip-worktree", "gone")
				put(l.host, "a", "mine\n")
				if err := os.Remove(filepath.Join(l.host, "gone")); err != nil {
					t.Fatal(err)
				}
				if err := l.prepare(workspace.Shallow, false); err != nil {
					t.Fatal(err)
				}
				same(t, "in the guest", files(t, l.host), files(t, l.guest))
				if here, there := status(t, l.host), status(t, l.guest); here != there {
					t.Errorf("git status: %q on the host, %q in the guest", here, there)
				}
				git(t, l.guest, "update-index", mark, "b")
				put(l.guest, "a", "theirs\n")
				put(l.guest, "b", "two\n")
				l.applied(t)
				same(t, "back on the host", files(t, l.guest), files(t, l.host))
			})
		}
	}
}

func TestModesThatTheUsersGitDoesNotBelieve(t *testing.T) {
	requireGit(t)
	l := newLoop(t, t.TempDir())
	put(l.host, "plain", "p\n")
	put(l.host, "tool", "t\n")
	git(t, l.host, "add", ".")
	git(t, l.host, "update-index", "--chmod=+x", "tool")
	git(t, l.host, "commit", "-qm", "first")
	git(t, l.host, "config", "core.fileMode", "false")
	put(l.host, "new", "n\n")
	for _, name := range []string{"plain", "new"} {
		if err := os.Chmod(filepath.Join(l.host, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Fatal(err)
	}
	if here, there := status(t, l.host), status(t, l.guest); here != there {
		t.Errorf("git status: %q on the host, %q in the guest", here, there)
	}
	got, err := l.collect(false)
	if err != nil || got.Tree != l.sent.BaseTree {
		t.Errorf("collected %+v, %v; want the tree that was sent, %s", got, err, l.sent.BaseTree)
	}
}

func TestASubmoduleThatIsNotCheckedOut(t *testing.T) {
	l := withSubmodule(t)
	git(t, l.host, "submodule", "--quiet", "deinit", "-f", "sub")
	if err := l.prepare(workspace.FullCopy, false); err != nil {
		t.Fatal(err)
	}
	if here, there := status(t, l.host), status(t, l.guest); here != there {
		t.Errorf("git status: %q on the host, %q in the guest", here, there)
	}
	put(l.guest, "o", "changed\n")
	l.applied(t)
	if files(t, l.host)["o"] != "false changed\n" {
		t.Error("not applied")
	}
}

func TestAPathWithALineBreak(t *testing.T) {
	requireGit(t)
	l := newLoop(t, filepath.Join(t.TempDir(), "a\nb"))
	put(l.host, "a", "one\n")
	if err := l.prepare(workspace.Shallow, false); !errors.Is(err, fault.Invalid) {
		t.Errorf("prepare: %v; want Invalid", err)
	}
}
