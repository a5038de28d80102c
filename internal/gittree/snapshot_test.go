package gittree_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/gittree"
)

// Git looks at a file again only if it is not older than the index, so a copy of
// the index must have its time.
func TestAFileThatChangedWhenItsIndexDidIsRead(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	file, then := filepath.Join(dir, "a"), time.Now().Add(-time.Hour).Truncate(time.Second)
	gittest.Git(t, dir, "init", "-q")
	gittest.Git(t, dir, "config", "core.trustCtime", "false")
	gittest.Put(dir, "a", "one\n")
	if err := os.Chtimes(file, then, then); err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, dir, "add", "a")
	gittest.Put(dir, "a", "two\n")
	if err := errors.Join(os.Chtimes(file, then, then), os.Chtimes(filepath.Join(dir, ".git", "index"), then, then)); err != nil {
		t.Fatal(err)
	}

	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	git := gittree.Git{Path: path, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1"}, Config: gittree.Quiet()}
	repo, err := gittree.Open(t.Context(), git, dir)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := gittree.Read(t.Context(), git, repo, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := git.Output(t.Context(), gittree.Cmd{Dir: dir, Env: snap.Environ(), Args: []string{"cat-file", "-p", snap.Tree + ":a"}})
	if err != nil || string(got) != "two\n" {
		t.Errorf("the tree has %q, %v; want what is in the work tree", got, err)
	}
}
