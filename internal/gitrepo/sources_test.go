package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

func TestWhatIsThereIsNotReplacedUnasked(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "mine", "precious\n")
	if err := l.prepare(workspace.Shallow, false); !errors.Is(err, fault.Conflict) {
		t.Errorf("prepare over work = %v; want Conflict", err)
	}
	if gittest.Read(t, filepath.Join(l.guest, "mine")) != "precious\n" {
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
	gittest.Git(t, l.host, "checkout", "-q", "-b", "other")
	gittest.Put(l.host, "a", "other\n")
	gittest.Git(t, l.host, "commit", "-q", "-a", "-m", "other")
	gittest.Git(t, l.host, "checkout", "-q", "main")
	gittest.Put(l.host, "a", "mine\n")
	gittest.Git(t, l.host, "commit", "-q", "-a", "-m", "mine")
	if out, err := gittest.Try(l.host, "merge", "other"); err == nil {
		t.Fatalf("no conflict: %s", out)
	}
	if err := l.prepare(workspace.Shallow, true); err != nil {
		t.Fatal(err)
	}
	if want, got := status(t, l.host), status(t, l.guest); want != got {
		t.Errorf("status\n%q\nwant\n%q", got, want)
	}
	gittest.Put(l.guest, "a", "solved\n")
	l.applied(t)
	gittest.Same(t, "after git apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
}

func TestCommitsElsewhereAreNamed(t *testing.T) {
	l := prepared(t)
	gittest.Git(t, l.guest, "checkout", "-q", "-b", "side")
	gittest.Put(l.guest, "side", "s\n")
	gittest.Git(t, l.guest, "add", "-A")
	gittest.Git(t, l.guest, "commit", "-q", "-m", "side")
	gittest.Git(t, l.guest, "checkout", "-q", "main")
	gittest.Put(l.guest, "a", "stashed\n")
	gittest.Git(t, l.guest, "stash", "-q")
	got, err := l.collect(false)
	want := workspace.Elsewhere{Branches: []string{"side"}, Stashes: []string{"."}}
	if err != nil || !cmp.Equal(got.Elsewhere, want) {
		t.Errorf("Elsewhere = %+v, %v; want %+v", got.Elsewhere, err, want)
	}
}

func TestAWorkTreeThatNobodySent(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "a", "two\n")
	gittest.Git(t, l.guest, "commit", "-q", "-a", "-m", "two")
	gittest.Put(l.guest, "b", "b\n")
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

func TestNoGitOnTheHost(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := gitrepo.New(hostgit.New(hostgit.DefaultLimits())).Pack(t.Context(), workspace.PackRequest{Path: "/", Vault: filepath.Join(t.TempDir(), "v")})
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
				gittest.Require(t)
				l := newLoop(t, t.TempDir())
				l.noGit = noGit
				gittest.Put(l.host, "a", "one\n")
				gittest.Put(l.host, "b", "one\n")
				gittest.Put(l.host, "gone", "sparse\n")
				gittest.Git(t, l.host, "add", ".")
				gittest.Git(t, l.host, "commit", "-qm", "first")
				gittest.Git(t, l.host, "update-index", mark, "a")
				gittest.Git(t, l.host, "update-index", "--skip-worktree", "gone")
				gittest.Put(l.host, "a", "mine\n")
				if err := os.Remove(filepath.Join(l.host, "gone")); err != nil {
					t.Fatal(err)
				}
				if err := l.prepare(workspace.Shallow, false); err != nil {
					t.Fatal(err)
				}
				gittest.Same(t, "in the guest", gittest.Files(t, l.host), gittest.Files(t, l.guest))
				if here, there := status(t, l.host), status(t, l.guest); here != there {
					t.Errorf("git status: %q on the host, %q in the guest", here, there)
				}
				gittest.Git(t, l.guest, "update-index", mark, "b")
				gittest.Put(l.guest, "a", "theirs\n")
				gittest.Put(l.guest, "b", "two\n")
				l.applied(t)
				gittest.Same(t, "back on the host", gittest.Files(t, l.guest), gittest.Files(t, l.host))
			})
		}
	}
}

func TestModesThatTheUsersGitDoesNotBelieve(t *testing.T) {
	gittest.Require(t)
	l := newLoop(t, t.TempDir())
	gittest.Put(l.host, "plain", "p\n")
	gittest.Put(l.host, "tool", "t\n")
	gittest.Git(t, l.host, "add", ".")
	gittest.Git(t, l.host, "update-index", "--chmod=+x", "tool")
	gittest.Git(t, l.host, "commit", "-qm", "first")
	gittest.Git(t, l.host, "config", "core.fileMode", "false")
	gittest.Put(l.host, "new", "n\n")
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
	gittest.Git(t, l.host, "submodule", "--quiet", "deinit", "-f", "sub")
	if err := l.prepare(workspace.FullCopy, false); err != nil {
		t.Fatal(err)
	}
	if here, there := status(t, l.host), status(t, l.guest); here != there {
		t.Errorf("git status: %q on the host, %q in the guest", here, there)
	}
	gittest.Put(l.guest, "o", "changed\n")
	l.applied(t)
	if gittest.Files(t, l.host)["o"] != "false changed\n" {
		t.Error("not applied")
	}
}

func TestAPathWithALineBreak(t *testing.T) {
	gittest.Require(t)
	l := newLoop(t, filepath.Join(t.TempDir(), "a\nb"))
	gittest.Put(l.host, "a", "one\n")
	if err := l.prepare(workspace.Shallow, false); !errors.Is(err, fault.Invalid) {
		t.Errorf("prepare: %v; want Invalid", err)
	}
}
