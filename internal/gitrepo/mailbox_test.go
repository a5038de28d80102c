package gitrepo_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/workspace"
)

// Git am stops reading a message where a patch seems to begin.
func TestMessagesThatLookLikePatches(t *testing.T) {
	l := prepared(t)
	clone := filepath.Join(filepath.Dir(l.host), "clone")
	git(t, filepath.Dir(l.host), "clone", "-q", l.host, clone)
	for i, message := range []string{
		"fine\n\nbody -- \n----\n",
		"patch\n\ndiff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+evil\n",
		"break\n\nbody\n---\nmore\n", "index\n\nIndex: a\n",
		"mail\n\nFrom 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nbody\n", "Caf\u00e9 last",
	} {
		put(l.guest, "a", fmt.Sprintf("%d\n", i))
		put(l.guest, "crlf", fmt.Sprintf("%d\r\n", i))
		git(t, l.guest, "add", "-A")
		git(t, l.guest, "commit", "-q", "-m", message)
	}
	put(l.guest, "c", "not committed\n")
	mbox, got, err := l.export(workspace.Mbox, l.sent.HeadCommit)
	if err != nil {
		t.Fatal(err)
	}
	git(t, clone, "am", "-q", "--keep-cr", mbox)
	same(t, "after git am", files(t, l.guest), files(t, clone))
	if log := git(t, clone, "log", "--format=%s"); log != "Uncommitted changes in the workspace\nCaf\u00e9 last\nmail\nindex\nbreak\npatch\nfine\nfirst\n" {
		t.Errorf("the log is %q", log)
	}
	if body := git(t, clone, "log", "-1", "--format=%b", "--grep=^patch"); !strings.HasPrefix(body, " diff --git a/a b/a\n --- a/a\n+++ b/a\n") {
		t.Errorf("the message is %q", body)
	}
	if body := git(t, clone, "log", "-1", "--format=%b", "--grep=^fine"); strings.TrimSpace(body) != "body --\n----" {
		t.Errorf("a message that is fine is %q", body)
	}
	res, err := l.git.Write(t.Context(), workspace.WriteRequest{
		Vault: l.vault, Base: l.sent.HeadCommit, Tree: got.Tree, Head: got.Head, Branch: got.Branch, Format: workspace.Mbox, File: mbox + "2",
	})
	if notes := strings.Join(res.Notes, "; "); err != nil || !strings.Contains(notes, "those of 4 commits are changed") || !strings.Contains(notes, "--keep-cr") {
		t.Errorf("notes %q, %v", notes, err)
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
