package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

func TestUncommittedChangesInLinkedWorkTreesAreNamed(t *testing.T) {
	l := prepared(t)
	outside := filepath.Join(filepath.Dir(l.guest), "out side")
	gittest.Put(l.guest, ".gitignore", "ignored\n")
	for _, dir := range []string{outside, "inside", "ignored/tree", "ignored/clean", "ignored/removed"} {
		gittest.Git(t, l.guest, "worktree", "add", "-q", "--detach", dir)
	}
	gittest.Put(outside, "a", "edited\n")
	gittest.Put(l.guest, "inside/new", "new\n")
	gittest.Put(l.guest, "ignored/tree/new", "new\n")
	gittest.Put(l.guest, "ignored/removed/new", "new\n")
	if err := os.RemoveAll(filepath.Join(l.guest, "ignored", "removed")); err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(l.guest, ".git", "worktrees", "odd")
	if err := errors.Join(os.Mkdir(odd, 0o755), syscall.Mkfifo(filepath.Join(odd, "gitdir"), 0o644)); err != nil {
		t.Fatal(err)
	}
	got, err := l.collect(false)
	want := []string{outside, filepath.Join(l.guest, "ignored", "tree")}
	if err != nil || !slices.Equal(got.Elsewhere.WorkTrees, want) {
		t.Errorf("Elsewhere = %q, %v; want %q", got.Elsewhere.WorkTrees, err, want)
	}
	l.applied(t) // what is inside and not ignored comes back
	if got := gittest.Files(t, l.host)["inside/new"]; got != "false new\n" {
		t.Errorf("inside/new = %q", got)
	}
}

func TestLinkedWorkTree(t *testing.T) {
	l := prepared(t)
	main := l.host
	l.host = filepath.Join(filepath.Dir(main), "linked")
	gittest.Git(t, main, "worktree", "add", "-q", l.host, "-b", "linked")
	gittest.Put(l.host, "a", "edited\n")
	l.guest += "2"
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Fatal(err)
	}
	if want, got := status(t, l.host), status(t, l.guest); want != got {
		t.Errorf("status\n%q\nwant\n%q", got, want)
	}
	if got := gittest.Git(t, l.guest, "symbolic-ref", "HEAD"); got != "refs/heads/linked\n" {
		t.Errorf("HEAD = %q", got)
	}
	gittest.Put(l.guest, "b", "b\n")
	gittest.Git(t, l.guest, "add", "-A")
	gittest.Git(t, l.guest, "commit", "-q", "-m", "all")
	l.applied(t)
	gittest.Same(t, "after git apply", gittest.Files(t, l.guest), gittest.Files(t, l.host))
}
