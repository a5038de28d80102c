package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/workspace"
)

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
	odd := filepath.Join(l.guest, ".git", "worktrees", "odd")
	if err := errors.Join(os.Mkdir(odd, 0o755), syscall.Mkfifo(filepath.Join(odd, "gitdir"), 0o644)); err != nil {
		t.Fatal(err)
	}
	got, err := l.collect(false)
	want := []string{workspace.Uncommitted + outside, workspace.Uncommitted + filepath.Join(l.guest, "ignored", "tree")}
	if err != nil || !slices.Equal(got.Elsewhere, want) {
		t.Errorf("Elsewhere = %q, %v; want %q", got.Elsewhere, err, want)
	}
	l.applied(t) // what is inside and not ignored comes back
	if got := files(t, l.host)["inside/new"]; got != "false new\n" {
		t.Errorf("inside/new = %q", got)
	}
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
