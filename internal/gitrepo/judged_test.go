package gitrepo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// Old histories have commits and trees that no git would write today. They are
// no reason to keep work in a guest.
func TestOldObjectsAreNotHeldAgainstTheWork(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	l := newLoop(t, t.TempDir())
	gittest.Put(l.host, "a", "one\n")
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "commit", "-q", "-m", "first")
	r := &crafted{t: t, dir: l.host}
	for _, header := range []string{
		"author A <a@example.org> 1700000000 +051800\ncommitter C <c@example.org> 1700000000 +0000\n",
		"author A <a@example.org>1700000000 +0000\ncommitter C <c@example.org> 01700000000 +0000\n",
		"author <a@example.org> 1700000000 +0000\ncommitter C <c@example.org 1700000000 +0000\n",
	} {
		r.commitTree(r.tree("100644 a "+r.blob("one\n"), "040000 d "+r.tree("100664 x "+r.blob("x\n"))), header, "old\n")
	}
	gittest.Git(t, l.host, "branch", "side")
	gittest.Git(t, l.host, "reset", "-q", "--hard", "HEAD~3")
	if err := l.prepare(workspace.FullCopy, false); err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, l.guest, "merge", "-q", "--no-ff", "-m", "merged", "side")
	gittest.Put(l.guest, "b", "b\n")
	for _, format := range []workspace.Format{workspace.Patch, workspace.Mbox, workspace.Bundle} {
		if _, _, err := l.export(format, l.sent.HeadCommit); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
	gittest.Git(t, l.guest, "reset", "-q", "--hard", "side")
	gittest.Put(l.guest, "b", "b\n")
	l.applied(t)
}

// A submodule that nobody touched is no change, whatever the export is against.
func TestAnUntouchedSubmoduleIsNoChange(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	l := newLoop(t, dir)
	sub := filepath.Join(dir, "sub")
	gittest.Put(sub, "n", "n\n")
	gittest.Git(t, dir, "init", "-q", sub)
	gittest.Git(t, sub, "add", "-A")
	gittest.Git(t, sub, "commit", "-q", "-m", "sub")
	gittest.Git(t, l.host, "submodule", "--quiet", "add", sub, "s")
	gittest.Git(t, l.host, "commit", "-q", "-m", "super")
	if err := l.prepare(workspace.FullCopy, false); err != nil {
		t.Fatal(err)
	}
	compare := func(what string, want int) {
		t.Helper()
		for _, base := range []string{l.sent.BaseTree, l.sent.HeadCommit} {
			got, err := l.collect(true)
			if err != nil {
				t.Fatal(err)
			}
			if changes, err := l.git.Diff(t.Context(), l.write(base, got.Tree)); err != nil || len(changes) != want {
				t.Errorf("%s against %.7s: %+v, %v; want %d files", what, base, changes, err, want)
			}
		}
	}
	compare("nothing done", 0)
	for _, base := range []string{l.sent.BaseTree, l.sent.HeadCommit} {
		file, _, err := l.export(workspace.Patch, base)
		if err != nil {
			t.Fatalf("a patch of nothing against %.7s: %v", base, err)
		}
		if text, err := os.ReadFile(file); err != nil || len(text) > 0 {
			t.Errorf("a patch of nothing against %.7s: %q, %v", base, text, err)
		}
	}
	gittest.Put(l.guest, "b", "b\n")
	compare("a file beside it", 1)
	for _, format := range []workspace.Format{workspace.Patch, workspace.Mbox, workspace.Bundle} {
		if _, _, err := l.export(format, l.sent.HeadCommit); err != nil {
			t.Errorf("%s: %v", format, err)
		}
	}
	gittest.Put(l.guest, "s/n", "changed\n")
	got, err := l.collect(true)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.write(l.sent.BaseTree, got.Tree))
	if err != nil || len(changes) != 2 || changes[1].Path != "s/n" {
		t.Errorf("work in the submodule: %+v, %v", changes, err)
	}
}

// A partial clone is refused, and nothing is fetched or run for it.
func TestAPartialCloneFetchesNothing(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	l := newLoop(t, dir)
	origin := filepath.Join(dir, "origin")
	gittest.Git(t, dir, "init", "-q", origin)
	for _, content := range []string{"one\n", "two\n"} {
		gittest.Put(origin, "a", content)
		gittest.Git(t, origin, "add", "-A")
		gittest.Git(t, origin, "commit", "-q", "-m", "m")
	}
	gittest.Git(t, origin, "config", "uploadpack.allowFilter", "true")
	if err := os.RemoveAll(l.host); err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, dir, "clone", "-q", "--filter=blob:none", "file://"+origin, l.host)
	ran := filepath.Join(dir, "ran")
	gittest.Git(t, l.host, "config", "remote.origin.uploadpack", "touch "+ran+"; false")
	err := l.prepare(workspace.FullCopy, false)
	if err == nil || !strings.Contains(err.Error(), "partial clone") {
		t.Errorf("full_copy = %v; want that it is a partial clone", err)
	}
	if err := l.prepare(workspace.Shallow, false); err != nil {
		t.Errorf("shallow, with all objects of HEAD: %v", err)
	}
	if _, err := os.Lstat(ran); err == nil {
		t.Error("the program that the repository names was run")
	}
}

// What is refused before anything is read is what Pack refuses.
func TestCheckRefusesWhatPackWill(t *testing.T) {
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	l := newLoop(t, dir)
	gittest.Put(l.host, "a", "one\n")
	gittest.Git(t, l.host, "add", "-A")
	gittest.Git(t, l.host, "commit", "-q", "-m", "first")
	plain := t.TempDir()
	super := filepath.Join(dir, "super")
	gittest.Git(t, dir, "init", "-q", super)
	gittest.Git(t, super, "submodule", "--quiet", "add", l.host, "s")
	for name, tc := range map[string]struct {
		req  workspace.PackRequest
		says string // empty: it is fine
	}{
		"a repository":          {workspace.PackRequest{Path: l.host, Mode: workspace.Shallow}, ""},
		"below its top":         {workspace.PackRequest{Path: filepath.Join(l.host, ".git", ".."), Mode: workspace.Shallow}, ""},
		"submodules":            {workspace.PackRequest{Path: super, Mode: workspace.Shallow}, "has submodules (s)"},
		"submodules, full_copy": {workspace.PackRequest{Path: super, Mode: workspace.FullCopy}, ""},
		"no repository":         {workspace.PackRequest{Path: plain, Mode: workspace.Shallow}, "is not in a git work tree"},
		"no directory":          {workspace.PackRequest{Path: filepath.Join(plain, "x"), Mode: workspace.Shallow}, "is not in a git work tree"},
		"a branch that is none": {workspace.PackRequest{Path: l.host, Mode: workspace.Shallow, Branch: "a..b"}, "branch name"},
		"a branch as an option": {workspace.PackRequest{Path: l.host, Mode: workspace.Shallow, Branch: "-x"}, "branch name"},
	} {
		err := l.git.Check(t.Context(), tc.req)
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s: Check = %v; want %q", name, err, tc.says)
		}
		tc.req.Vault = filepath.Join(t.TempDir(), "v.git")
		parcel, packErr := l.git.Pack(t.Context(), tc.req)
		if (packErr == nil) != (err == nil) || err != nil && packErr.Error() != err.Error() {
			t.Errorf("%s: Check says %v, Pack %v", name, err, packErr)
		}
		if packErr == nil {
			_ = parcel.Close()
		}
	}
}

// A branch is named so that it can be shown; one that cannot be is still work.
func TestBranchesWithStrangeNames(t *testing.T) {
	l := prepared(t)
	for _, name := range []string{"fine/ünï", "bidi\u202egnp", "c1\u009b2J", "zero\u200bwidth", "emoji\U0001F600"} {
		gittest.Git(t, l.guest, "checkout", "-q", "-b", name, "main")
		gittest.Git(t, l.guest, "commit", "-q", "--allow-empty", "-m", name)
	}
	got, err := l.collect(false)
	if err != nil {
		t.Fatal(err)
	}
	if want := "bidi?gnp c1?2J fine/ünï zero?width"; strings.Join(got.Elsewhere.Branches, " ") != want {
		t.Errorf("elsewhere = %q; want %q", got.Elsewhere.Branches, want)
	}
	if got.Branch != "refs/heads/emoji\U0001F600" {
		t.Errorf("branch = %q", got.Branch)
	}
	gittest.Git(t, l.guest, "checkout", "-q", "bidi\u202egnp")
	if got, err = l.collect(false); err != nil || got.Branch != "" {
		t.Errorf("a branch that cannot be shown is %q, %v", got.Branch, err)
	}
	if _, _, err := l.export(workspace.Bundle, l.sent.HeadCommit); err != nil {
		t.Errorf("a bundle of it: %v", err)
	}
}

// The names of files are bounded in all, before they are kept.
func TestNamesInAListingAreBounded(t *testing.T) {
	l := prepared(t)
	limits := hostgit.DefaultLimits()
	limits.PathBytes = 1000
	l.noGit = true
	for n := range 11 {
		gittest.Put(l.guest, strings.Repeat("x", 100)+string(rune('a'+n)), "x")
	}
	conn, end := l.serve(agentrpc.WorkspaceRequest{Verb: agentrpc.WorkspaceCollect, Path: l.guest, Format: l.sent.Format, Base: l.sent.BaseTree, NoGit: true})
	defer end()
	_, err := gitrepo.New(hostgit.New(limits)).Collect(t.Context(), conn, workspace.CollectRequest{Vault: l.vault, Base: l.sent.BaseTree})
	if err == nil || !strings.Contains(err.Error(), "names of the workspace's files") {
		t.Errorf("1.1 KB of names = %v; want a refusal", err)
	}
}
