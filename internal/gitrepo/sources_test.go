package gitrepo_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/workspace"
)

// applied exports the guest's work and applies it to the user's work tree.
func (l *loop) applied(t *testing.T) {
	t.Helper()
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.vault, l.sent.BaseTree, got.Tree)
	if err != nil {
		t.Fatal(err)
	}
	conflicts, err := l.git.Apply(t.Context(), workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
	if err != nil || conflicts != nil {
		t.Fatalf("apply: %v, conflicts %v\n%s", err, conflicts, read(t, file))
	}
}

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

func TestFiltersThatTheGuestLacksAreNamed(t *testing.T) {
	requireGit(t)
	t.Setenv("HOME", t.TempDir())
	l := newLoop(t, t.TempDir())
	git(t, l.host, "config", "filter.upper.clean", "tr a-z A-Z")
	git(t, l.host, "config", "filter.upper.process", "")
	git(t, l.host, "config", "filter.unused.clean", "cat")
	put(l.host, ".gitattributes", "*.up filter=upper\n*.other filter=not-here\nplain.up -filter\n")
	for _, name := range []string{"a.up", "plain.up", "b.other"} {
		put(l.host, name, "text\n")
	}
	git(t, l.host, "add", "-A")
	git(t, l.host, "commit", "-q", "-m", "first")
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Fatal(err)
	}
	if n := l.sent.Notes; len(n) != 1 || !strings.Contains(n[0], "no filter upper: a.up are") {
		t.Errorf("notes %q; want one, on a.up", n)
	}
	if want, got := status(t, l.host), status(t, l.guest); want != got {
		t.Errorf("status\n%q\nwant\n%q", got, want)
	}
}

func TestARepositoryOfAnotherUser(t *testing.T) {
	said := "fatal: detected dubious ownership in repository at '/src'\nTo add an exception for this directory, call:\n\n" +
		"\tgit config --global --add safe.directory /src\n"
	err := gitrepo.AsFault(&gittree.Error{Verb: "rev-parse", Status: 128, Stderr: said}, "read %s", "/src")
	if !errors.Is(err, fault.PermissionDenied) || err.Error() != "read /src: it belongs to another user, so git does not trust it" ||
		fault.HintOf(err) != "git config --global --add safe.directory /src" {
		t.Errorf("got %v (%s), hint %q", err, fault.CodeOf(err), fault.HintOf(err))
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

func TestLinkedWorkTree(t *testing.T) {
	l := prepared(t)
	main := l.host
	l.host = filepath.Join(filepath.Dir(main), "linked")
	git(t, main, "worktree", "add", "-q", l.host, "-b", "linked")
	put(l.host, "a", "edited\n")
	l.guest += "2"
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Fatal(err)
	}
	if want, got := status(t, l.host), status(t, l.guest); want != got {
		t.Errorf("status\n%q\nwant\n%q", got, want)
	}
	if got := git(t, l.guest, "symbolic-ref", "HEAD"); got != "refs/heads/linked\n" {
		t.Errorf("HEAD = %q", got)
	}
	put(l.guest, "b", "b\n")
	git(t, l.guest, "add", "-A")
	git(t, l.guest, "commit", "-q", "-m", "all")
	l.applied(t)
	same(t, "after git apply", files(t, l.guest), files(t, l.host))
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

func TestUncommittedChangesInLinkedWorkTreesAreNamed(t *testing.T) {
	l := prepared(t)
	outside := filepath.Join(filepath.Dir(l.guest), "out side")
	put(l.guest, ".gitignore", "ignored\n")
	for _, dir := range []string{outside, "inside", "ignored/tree", "ignored/clean", "ignored/removed"} {
		git(t, l.guest, "worktree", "add", "-q", "--detach", dir)
	}
	put(outside, "a", "edited\n")
	put(l.guest, "inside/new", "new\n")
	put(l.guest, "ignored/tree/new", "new\n")
	put(l.guest, "ignored/removed/new", "new\n")
	if err := os.RemoveAll(filepath.Join(l.guest, "ignored", "removed")); err != nil {
		t.Fatal(err)
	}
	got, err := l.collect(false)
	want := []string{workspace.Uncommitted + "out-side", workspace.Uncommitted + "tree"}
	if err != nil || !slices.Equal(got.Elsewhere, want) {
		t.Errorf("Elsewhere = %q, %v; want %q", got.Elsewhere, err, want)
	}
	l.applied(t) // what is inside and not ignored comes back
	if got := files(t, l.host)["inside/new"]; got != "false new\n" {
		t.Errorf("inside/new = %q", got)
	}
}

func TestMailboxAndBundle(t *testing.T) {
	l := prepared(t)
	put(l.guest, "a", "two\n")
	git(t, l.guest, "commit", "-q", "-a", "-m", "two")
	put(l.guest, "c", "not committed\n")
	clone := filepath.Join(filepath.Dir(l.host), "clone")
	git(t, filepath.Dir(l.host), "clone", "-q", l.host, clone)
	mbox, _, err := l.export(workspace.Mbox, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	git(t, clone, "am", "-q", mbox)
	same(t, "after git am", files(t, l.guest), files(t, clone))
	if log := git(t, clone, "log", "--format=%s"); log != "Uncommitted changes in the workspace\ntwo\nfirst\n" {
		t.Errorf("the log is %q", log)
	}
	bundle, _, err := l.export(workspace.Bundle, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	git(t, clone, "fetch", "-q", bundle, "main")
	git(t, clone, "checkout", "-q", "FETCH_HEAD")
	same(t, "from the bundle", files(t, l.guest), files(t, clone))

	git(t, l.guest, "commit", "-q", "--amend", "-a", "-m", "first, rewritten")
	git(t, l.guest, "reset", "-q", "--soft", l.sent.HeadCommit)
	git(t, l.guest, "commit", "-q", "--amend", "-m", "first, amended")
	git(t, clone, "checkout", "-q", "--detach", l.sent.HeadCommit)
	if mbox, _, err = l.export(workspace.Mbox, l.sent.HeadCommit); err != nil {
		t.Fatal(err)
	}
	git(t, clone, "am", "-q", mbox)
	same(t, "after history was rewritten", files(t, l.guest), files(t, clone))
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
	changes, err := l.git.Diff(t.Context(), l.vault, got.Head, got.Tree)
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
	changes, err := l.git.Diff(t.Context(), l.vault, l.sent.BaseTree, got.Tree)
	if err != nil {
		t.Fatal(err)
	}
	conflicts, err := l.git.Apply(t.Context(), workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
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
	changes, err := l.git.Diff(t.Context(), l.vault, l.sent.BaseTree, got.Tree)
	if err != nil {
		t.Fatal(err)
	}
	req := workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}
	conflicts, err := l.git.Apply(t.Context(), req)
	if err != nil || strings.Join(conflicts, " ") != "d" {
		t.Errorf("conflicts = %v, %v; want d", conflicts, err)
	}
	same(t, "a patch that does not apply", before, files(t, l.host))
	// git alone would begin, and what it did is undone.
	if _, err := l.git.Apply(t.Context(), workspace.ApplyRequest{Top: l.host, Patch: file, Files: []workspace.File{
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
