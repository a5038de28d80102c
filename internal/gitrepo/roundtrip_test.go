package gitrepo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

func TestRoundTrip(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(base, fmt.Sprint(run))
		l := newLoop(t, dir)
		l.noGit = rapid.Bool().Draw(t, "guest has no git")
		mode := rapid.SampledFrom([]workspace.Mode{workspace.Shallow, workspace.FullCopy}).Draw(t, "mode")
		work(t, l.host, rapid.IntRange(0, 25).Draw(t, "steps on the host"), true)
		before, state := gittest.Files(t, l.host), status(t, l.host)
		objects := gittest.Git(t, l.host, "count-objects", "-v")
		index, _ := os.ReadFile(filepath.Join(l.host, ".git", "index"))

		if err := l.prepare(mode, false); err != nil {
			t.Fatalf("prepare: %v", err)
		}
		gittest.Same(t, "the user's files changed", before, gittest.Files(t, l.host))
		if now, _ := os.ReadFile(filepath.Join(l.host, ".git", "index")); !bytes.Equal(now, index) {
			t.Fatalf("the user's index changed")
		}
		if now := gittest.Git(t, l.host, "count-objects", "-v"); now != objects {
			t.Fatalf("the user's objects changed: %s, then %s", objects, now)
		}
		arrived := gittest.Files(t, l.guest)
		gittest.Same(t, "the guest has other files", kept(t, l.host), arrived)
		if got := status(t, l.guest); got != state {
			t.Fatalf("git status in the guest:\n%q\nwant:\n%q", got, state)
		}
		if _, err := gittest.Try(l.host, "fsck", "--full"); err == nil { // an index of nothing fails it
			gittest.Git(t, l.guest, "fsck", "--full", "--no-dangling")
		}

		work(t, l.guest, rapid.IntRange(0, 25).Draw(t, "steps in the guest"), !l.noGit)
		guestIndex, _ := os.ReadFile(filepath.Join(l.guest, ".git", "index"))
		file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
		if err != nil {
			t.Fatalf("export: %v", err)
		}
		if now, _ := os.ReadFile(filepath.Join(l.guest, ".git", "index")); !bytes.Equal(now, guestIndex) {
			t.Fatalf("the guest's index changed")
		}
		again, _, err := l.export(workspace.Patch, l.sent.BaseTree)
		if err != nil || gittest.Read(t, again) != gittest.Read(t, file) {
			t.Fatalf("a second export differs: %v", err)
		}
		changes, err := l.git.Diff(context.Background(), l.write(l.sent.BaseTree, got.Tree))
		if err != nil {
			t.Fatalf("diff: %v", err)
		}
		copied := copyTree(t, l.host)
		conflicts, err := apply(context.Background(), l.applier, workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes})
		ignored := strings.Split(gittest.Git(t, l.host, "ls-files", "-o", "-i", "--exclude-standard", "-z"), "\x00")
		for _, path := range conflicts { // what was not sent may be in the way, or in a directory that is
			if !slices.ContainsFunc(ignored, func(i string) bool { return i == path || strings.HasPrefix(i, path+"/") }) {
				t.Fatalf("%s is in the way of\n%s", path, gittest.Read(t, file))
			}
		}
		if err != nil {
			t.Fatalf("apply: %v\n%.3000s", err, gittest.Read(t, file))
		}
		if conflicts == nil {
			want, now := worked(t, l.guest, arrived), gittest.Files(t, l.host)
			for path := range before { // what was not sent stays
				if _, sent := arrived[path]; !sent && now[path] == before[path] && want[path] != now[path] {
					delete(now, path)
				}
			}
			gittest.Same(t, "after the patch the user's work tree differs", want, now)
			plainApply(t, copied, l.guest, file, gittest.Files(t, l.host))
		} else {
			gittest.Same(t, "a patch that does not apply changed files", before, gittest.Files(t, l.host))
		}
		if now, _ := os.ReadFile(filepath.Join(l.host, ".git", "index")); !bytes.Equal(now, index) {
			t.Fatalf("the patch changed the user's index")
		}
		if now := gittest.Git(t, l.host, "count-objects", "-v"); now != objects {
			t.Fatalf("the patch changed the user's objects: %s, then %s", objects, now)
		}
		if l.sent.HeadCommit != "" {
			freshClone(t, l, arrived)
		}
	})
}

// worked is what an export must carry: what git keeps, and what was sent and is
// still there, even if it is ignored by now.
func worked(t gittest.Failer, guest string, arrived map[string]string) map[string]string {
	t.Helper()
	all, want := gittest.Files(t, guest), kept(t, guest)
	for path := range arrived {
		if now, there := all[path]; there {
			want[path] = now
		}
	}
	return want
}

// copyTree copies a repository without its empty directories, which git does
// not know and takes for something in its way.
func copyTree(t gittest.Failer, dir string) string {
	t.Helper()
	to := dir + ".copy"
	for _, args := range [][]string{{"cp", "-a", dir, to}, {"find", to, "-type", "d", "-empty", "-not", "-path", "*/.git/*", "-delete"}} {
		if out, err := exec.CommandContext(context.Background(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	return to
}

// plainApply does with git alone what Apply did.
func plainApply(t gittest.Failer, dir, guest, file string, want map[string]string) {
	t.Helper()
	if gittest.Read(t, file) == "" || loopBecomesDirectory(t, dir, guest) {
		return
	}
	gittest.Git(t, dir, "apply", "--whitespace=nowarn", file)
	gittest.Same(t, "git apply on the user's work tree", want, gittest.Files(t, dir))
}

// freshClone applies an export against the commit that was sent.
func freshClone(t gittest.Failer, l *loop, arrived map[string]string) {
	t.Helper()
	file, _, err := l.export(workspace.Patch, l.sent.HeadCommit)
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	clone := filepath.Join(filepath.Dir(l.host), "clone")
	gittest.Git(t, filepath.Dir(l.host), "clone", "-q", "--no-local", l.host, clone)
	gittest.Git(t, clone, "checkout", "-q", "--detach", l.sent.HeadCommit)
	if loopBecomesDirectory(t, clone, l.guest) {
		return
	}
	if gittest.Read(t, file) != "" {
		gittest.Git(t, clone, "apply", "--whitespace=nowarn", file)
	}
	gittest.Same(t, "git apply on a fresh clone", worked(t, l.guest, arrived), gittest.Files(t, clone))
}

// loopBecomesDirectory reports whether a link that leads to itself is in the one
// tree, and a directory in its place in the other. That is the one change that
// git apply cannot make: it looks whether what is new in the directory is there
// already, and the kernel says ELOOP instead of no. Apply can make it.
func loopBecomesDirectory(t gittest.Failer, before, after string) bool {
	t.Helper()
	for name, content := range gittest.Files(t, before) {
		_, err := os.Stat(filepath.Join(before, name))
		info, statErr := os.Lstat(filepath.Join(after, name))
		if strings.HasPrefix(content, "link ") && errors.Is(err, syscall.ELOOP) && statErr == nil && info.IsDir() {
			return true
		}
	}
	return false
}
