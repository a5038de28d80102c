package gitrepo_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/workspace"
)

// Git am stops reading a message where a patch seems to begin.
func TestMessagesThatLookLikePatches(t *testing.T) {
	l := prepared(t)
	clone := filepath.Join(filepath.Dir(l.host), "clone")
	gittest.Git(t, filepath.Dir(l.host), "clone", "-q", l.host, clone)
	for i, message := range []string{
		"fine\n\nbody -- \n----\n",
		"patch\n\ndiff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+evil\n",
		"break\n\nbody\n---\nmore\n", "index\n\nIndex: a\n",
		"mail\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nbody\n", "Caf\u00e9 last",
	} {
		gittest.Put(l.guest, "a", fmt.Sprintf("%d\n", i))
		gittest.Put(l.guest, "crlf", fmt.Sprintf("%d\r\n", i))
		gittest.Git(t, l.guest, "add", "-A")
		gittest.Git(t, l.guest, "commit", "-q", "-m", message)
	}
	gittest.Put(l.guest, "c", "not committed\n")
	mbox, got, err := l.export(workspace.Mbox, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, clone, "am", "-q", "--keep-cr", mbox)
	gittest.Same(t, "after git am", gittest.Files(t, l.guest), gittest.Files(t, clone))
	if log := gittest.Git(t, clone, "log", "--format=%s"); log != "Uncommitted changes in the workspace\nCaf\u00e9 last\nmail\nindex\nbreak\npatch\nfine\nfirst\n" {
		t.Errorf("the log is %q", log)
	}
	if body := gittest.Git(t, clone, "log", "-1", "--format=%b", "--grep=^patch"); !strings.HasPrefix(body, " diff --git a/a b/a\n --- a/a\n+++ b/a\n") {
		t.Errorf("the message is %q", body)
	}
	if body := gittest.Git(t, clone, "log", "-1", "--format=%b", "--grep=^fine"); strings.TrimSpace(body) != "body --\n----" {
		t.Errorf("a message that is fine is %q", body)
	}
	res, err := l.git.Write(t.Context(), workspace.WriteRequest{
		Vault: l.vault, Base: l.sent.HeadCommit, Tree: got.Tree, Head: got.Head, Branch: got.Branch, Format: workspace.Mbox, File: mbox + "2",
	})
	if notes := strings.Join(res.Notes, "; "); err != nil || !strings.Contains(notes, "banger changes those of 4 commits") || !strings.Contains(notes, "--keep-cr") {
		t.Errorf("notes %q, %v", notes, err)
	}
}

func TestMailboxAndBundle(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "a", "two\n")
	gittest.Git(t, l.guest, "commit", "-q", "-a", "-m", "two")
	gittest.Put(l.guest, "c", "not committed\n")
	clone := filepath.Join(filepath.Dir(l.host), "clone")
	gittest.Git(t, filepath.Dir(l.host), "clone", "-q", l.host, clone)
	mbox, _, err := l.export(workspace.Mbox, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, clone, "am", "-q", mbox)
	gittest.Same(t, "after git am", gittest.Files(t, l.guest), gittest.Files(t, clone))
	if log := gittest.Git(t, clone, "log", "--format=%s"); log != "Uncommitted changes in the workspace\ntwo\nfirst\n" {
		t.Errorf("the log is %q", log)
	}
	bundle, _, err := l.export(workspace.Bundle, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, clone, "fetch", "-q", bundle, "main")
	gittest.Git(t, clone, "checkout", "-q", "FETCH_HEAD")
	gittest.Same(t, "from the bundle", gittest.Files(t, l.guest), gittest.Files(t, clone))

	gittest.Git(t, l.guest, "commit", "-q", "--amend", "-a", "-m", "first, rewritten")
	gittest.Git(t, l.guest, "reset", "-q", "--soft", l.sent.HeadCommit)
	gittest.Git(t, l.guest, "commit", "-q", "--amend", "-m", "first, amended")
	gittest.Git(t, clone, "checkout", "-q", "--detach", l.sent.HeadCommit)
	if mbox, _, err = l.export(workspace.Mbox, l.sent.HeadCommit); err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, clone, "am", "-q", mbox)
	gittest.Same(t, "after history was rewritten", gittest.Files(t, l.guest), gittest.Files(t, clone))
}
