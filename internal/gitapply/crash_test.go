package gitapply_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitapply"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// crash is what TestCrashingChild does: apply, or recover, until the given step.
type crash struct {
	Applies string
	Request *workspace.ApplyRequest // nil: recover
	Step    int
}

const crashEnv = "BANGER_TEST_CRASH"

// TestCrashingChild is no test but a process that ends itself.
func TestCrashingChild(t *testing.T) {
	if os.Getenv(crashEnv) == "" {
		t.Skip("run by the other tests")
	}
	var c crash
	data, err := hex.DecodeString(os.Getenv(crashEnv))
	if err == nil {
		err = gob.NewDecoder(bytes.NewReader(data)).Decode(&c)
	}
	if err != nil {
		t.Fatal(err)
	}
	g := applierIn(c.Applies)
	g.SetStep(func() {
		if c.Step--; c.Step == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	if c.Request == nil {
		if err := g.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	if conflicts, err := apply(t.Context(), g, *c.Request); err != nil || len(conflicts) > 0 {
		t.Fatalf("conflicts %v, %v", conflicts, err)
	}
}

// run runs the child and reports whether it came to its end.
func (c crash) run(t *testing.T) bool {
	t.Helper()
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(c); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashingChild$")
	cmd.Env = append(os.Environ(), crashEnv+"="+hex.EncodeToString(data.Bytes()))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return true
	}
	if status, ok := errors.AsType[*exec.ExitError](err); !ok || status.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("step %d: %v\n%s", c.Step, err, out)
	}
	return false
}

// crashing is a work tree, a patch for it, and how it is before and after.
type crashing struct {
	l             *edit
	saved         string // a copy of the work tree
	crash         crash
	before, after map[string]string
}

// applierIn writes nothing to the disk, which only a machine that crashes needs:
// a process that is killed takes nothing with it that was written.
func applierIn(dir string) *gitapply.Applier {
	return gitapply.New(hostgit.New(hostgit.DefaultLimits()), dir, func(string) error { return nil })
}

func newCrashing(t *testing.T) *crashing {
	t.Helper()
	l := newEdit(t)
	host := func(name, content string) { gittest.Put(l.host, name, content) }
	host("changed", "one\n")
	host("run", "#!/bin/sh\n")
	host("gone/deep/x", "x\n")
	host("moved", "a file of some length\nthat git finds again\n")
	host("becomes-file/y", "y\n")
	host("becomes-dir", "z\n")
	host("staged", "1\n")
	gittest.Symlink(t, l.host, "link", "changed")
	gittest.Symlink(t, l.host, "loop", "loop")
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "commit", "-q", "-m", "first")
	host("staged", "2\n")
	gittest.Git(t, l.host, "add", "-A")
	host("untracked", "mine\n")
	l.copy(t)
	if err := os.Chmod(filepath.Join(l.host, "gone"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gone", "becomes-file", "becomes-dir", "loop", "untracked"} {
		if err := os.RemoveAll(filepath.Join(l.guest, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(l.guest, "moved"), filepath.Join(l.guest, "there")); err != nil {
		t.Fatal(err)
	}
	gittest.Symlink(t, l.guest, "link", "run")
	for name, content := range map[string]string{
		"changed": "two\n", "becomes-file": "f\n", "becomes-dir/d/z": "z\n", "loop/in": "l\n", "new/caf\xe9": "\x00\x01", "staged": "3\n",
	} {
		gittest.Put(l.guest, name, content)
	}
	if err := os.Chmod(filepath.Join(l.guest, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	req := l.request(t)
	c := &crashing{l: l, saved: filepath.Join(filepath.Dir(l.host), "saved"), crash: crash{Applies: filepath.Join(t.TempDir(), "applies"), Request: &req}}
	c.before, c.after = everything(t, l.host), gittest.Files(t, l.guest)
	gittest.Copy(t, l.host, c.saved)
	return c
}

// reset puts the work tree back.
func (c *crashing) reset(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(c.crash.Applies); err != nil {
		t.Fatal(err)
	}
	gittest.Copy(t, c.saved, c.l.host)
}

// recovered recovers, and the work tree is as it was, or, if it may, all of the patch is in it.
func (c *crashing) recovered(t *testing.T, what string, mayBeDone bool) {
	t.Helper()
	g := applierIn(c.crash.Applies)
	if err := g.Recover(t.Context()); err != nil {
		t.Fatalf("%s: recover: %v", what, err)
	}
	if left, err := os.ReadDir(c.crash.Applies); err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
		t.Errorf("%s: left behind: %v, %v", what, left, err)
	}
	if mayBeDone && maps.Equal(gittest.Files(t, c.l.host), c.after) {
		return
	}
	gittest.Same(t, what, c.before, everything(t, c.l.host))
}

// everything is files with directories, and with all modes.
func everything(t *testing.T, root string) map[string]string {
	t.Helper()
	all := gittest.Files(t, root)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == ".git" {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if rel, relErr := filepath.Rel(root, path); err == nil && relErr == nil {
			all[rel] = fmt.Sprint(info.Mode(), " ", all[rel])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnApplyThatIsKilledIsUndone(t *testing.T) {
	c := newCrashing(t)
	for step := 1; ; step++ {
		c.reset(t)
		c.crash.Step = step
		done := c.crash.run(t)
		c.recovered(t, fmt.Sprintf("killed at step %d", step), done || len(c.armed(t)) == 0)
		if done {
			gittest.Same(t, "applied", c.after, gittest.Files(t, c.l.host))
			if step < 30 {
				t.Errorf("only %d steps", step)
			}
			return
		}
	}
}

func TestAnUndoThatIsKilledIsBegunAgain(t *testing.T) {
	c := newCrashing(t)
	c.crash.Step = 34
	if c.crash.run(t) || len(c.armed(t)) == 0 {
		t.Fatal("it is not in the middle")
	}
	tree, change := c.l.host+".cut", c.crash.Applies+".cut"
	gittest.Copy(t, c.l.host, tree)
	gittest.Copy(t, c.crash.Applies, change)
	c.crash.Request = nil
	for step := 1; ; step++ {
		c.reset(t)
		gittest.Copy(t, tree, c.l.host)
		gittest.Copy(t, change, c.crash.Applies)
		c.crash.Step = step
		done := c.crash.run(t)
		c.recovered(t, fmt.Sprintf("killed at step %d of the undo", step), false)
		if done {
			return
		}
	}
}

// cutOff applies until all new files are there, and dies at the last step at
// which it is not done.
func (c *crashing) cutOff(t *testing.T) {
	t.Helper()
	for step := 50; step > 0; step-- {
		c.reset(t)
		c.crash.Step = step
		if !c.crash.run(t) && len(c.armed(t)) > 0 {
			gittest.Same(t, "cut off", c.after, gittest.Files(t, c.l.host))
			return
		}
	}
	t.Fatal("it is never cut off")
}

// armed are the changes that will be undone.
func (c *crashing) armed(t *testing.T) []string {
	t.Helper()
	armed, err := filepath.Glob(filepath.Join(c.crash.Applies, "*[0-9a-f]"))
	if err != nil {
		t.Fatal(err)
	}
	return armed
}

func TestWhatWasWrittenSinceIsNotUndone(t *testing.T) {
	c := newCrashing(t)
	c.cutOff(t)
	gittest.Put(c.l.host, "changed", "mine\n")
	gittest.Put(c.l.host, "becomes-dir/mine", "mine\n")
	g := applierIn(c.crash.Applies)
	err := g.Recover(t.Context())
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "changed") || !strings.Contains(err.Error(), "becomes-dir") {
		t.Errorf("recover = %v; want Conflict, with both", err)
	}
	want := gittest.Files(t, c.saved)
	delete(want, "becomes-dir")
	want["changed"], want["becomes-dir/mine"] = "false mine\n", "false mine\n"
	gittest.Same(t, "after the undo", want, gittest.Files(t, c.l.host))
	kept, err := filepath.Glob(filepath.Join(c.crash.Applies, "*.kept", "before", "*"))
	if err != nil || len(kept) == 0 {
		t.Errorf("kept: %v, %v", kept, err)
	}
	if err := g.Recover(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestTheNextApplyUndoesFirst(t *testing.T) {
	c := newCrashing(t)
	c.cutOff(t)
	away := c.l.host + ".away"
	if err := os.Rename(c.l.host, away); err != nil {
		t.Fatal(err)
	}
	g := applierIn(c.crash.Applies)
	if err := g.Recover(t.Context()); !errors.Is(err, fault.Unavailable) {
		t.Errorf("without the work tree: %v; want Unavailable", err)
	}
	if err := os.Rename(away, c.l.host); err != nil {
		t.Fatal(err)
	}
	conflicts, err := apply(context.Background(), g, *c.crash.Request)
	if err != nil || len(conflicts) > 0 {
		t.Errorf("apply: conflicts %v, %v", conflicts, err)
	}
	gittest.Same(t, "applied", c.after, gittest.Files(t, c.l.host))
}

// What is saved in an editor while a patch is applied is not written over.
func TestApplyStopsAtWhatChangesMeanwhile(t *testing.T) {
	for _, at := range []int{1, 5, 9} {
		c := newCrashing(t)
		g := applierIn(c.crash.Applies)
		step := 0
		g.SetStep(func() {
			if step++; step == at {
				gittest.Put(c.l.host, "untracked", "saved\n")
			}
		})
		conflicts, err := apply(t.Context(), g, *c.crash.Request)
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "untracked") {
			t.Errorf("apply: conflicts %v, %v; want Conflict, with the file", conflicts, err)
		}
		want := gittest.Files(t, c.saved)
		want["untracked"] = "false saved\n"
		gittest.Same(t, "after it", want, gittest.Files(t, c.l.host))
	}
}
