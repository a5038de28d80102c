package gitrepo_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// A directory in a work tree may be a repository, begun, broken or abandoned, or
// look like one. What is in it goes into a guest, and what is made in the guest
// comes back.
func TestRepositoriesInAWorkTreeThatAreNotWhole(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	begun := func(t *testing.T, dir string) { gittest.Git(t, filepath.Dir(dir), "init", "-q", dir) }
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
	}{
		"no commit": {make: begun},
		"all of it staged": {make: func(t *testing.T, dir string) {
			begun(t, dir)
			gittest.Git(t, dir, "add", "-A")
		}},
		"a commit": {make: func(t *testing.T, dir string) {
			begun(t, dir)
			gittest.Git(t, dir, "add", "-A")
			gittest.Git(t, dir, "commit", "-qm", "first")
		}},
		"detached, and an unborn branch beside": {make: func(t *testing.T, dir string) {
			begun(t, dir)
			gittest.Git(t, dir, "commit", "-q", "--allow-empty", "-m", "first")
			gittest.Git(t, dir, "checkout", "-q", "--detach")
		}},
		"a .git that leads nowhere": {make: func(_ *testing.T, dir string) { gittest.Put(dir, ".git", "gitdir: /nonexistent\n") }},
		"an empty .git": {make: func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		"no HEAD": {make: func(t *testing.T, dir string) {
			begun(t, dir)
			_ = os.Remove(filepath.Join(dir, ".git", "HEAD"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, side := range []string{"host", "guest"} {
				l := newLoop(t, t.TempDir())
				gittest.Put(l.host, "a", "x\n")
				gittest.Put(l.host, ".gitignore", "*.log\n")
				gittest.Put(l.host, "kept.log", "ignored, and tracked\n")
				gittest.Git(t, l.host, "add", "-fA")
				gittest.Git(t, l.host, "commit", "-qm", "first")
				gittest.Put(l.host, "kept.log", "edited\n")
				inside := func(root string) {
					gittest.Put(root, "old templates/f", "y\n")
					c.make(t, filepath.Join(root, "old templates"))
				}
				if side == "host" {
					inside(l.host)
				}
				before := gittest.Files(t, l.host)
				if err := l.prepare(workspace.FullCopy, false); err != nil {
					t.Fatalf("%s: prepare: %v", side, err)
				}
				gittest.Same(t, "the guest has other files", before, gittest.Files(t, l.guest))
				if side == "guest" {
					inside(l.guest)
				}
				gittest.Put(l.guest, "kept.log", "edited again\n")
				gittest.Put(l.guest, "old templates/g", "z\n")
				file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
				if err != nil {
					t.Fatalf("%s: export: %v", side, err)
				}
				changes, err := l.git.Diff(context.Background(), l.write(l.sent.BaseTree, got.Tree))
				if err != nil {
					t.Fatal(err)
				}
				if conflicts, err := apply(context.Background(), l.applier, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}); err != nil || conflicts != nil {
					t.Fatalf("%s: apply: %q, %v\n%s", side, conflicts, err, gittest.Read(t, file))
				}
				gittest.Same(t, side+": the host has other files", gittest.Files(t, l.guest), gittest.Files(t, l.host))
			}
		})
	}
}
