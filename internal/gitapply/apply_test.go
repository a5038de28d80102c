package gitapply_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/gitapply"
	"github.com/bangervm/banger/internal/gittest"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// edit is a work tree of the user's, and a copy of it that somebody works in.
type edit struct {
	applier *gitapply.Applier
	host    string
	guest   string // the copy
	base    string // the tree that the patch is against
}

func newEdit(t *testing.T) *edit {
	t.Helper()
	gittest.Require(t)
	t.Setenv("HOME", t.TempDir())
	dir := t.TempDir()
	e := &edit{host: filepath.Join(dir, "host"), guest: filepath.Join(dir, "guest")}
	e.applier = gitapply.New(hostgit.New(hostgit.DefaultLimits()), filepath.Join(dir, "applies"), gitapply.SyncFilesystem)
	gittest.Git(t, dir, "init", "-q", e.host)
	return e
}

// prepared has one file, committed and copied.
func prepared(t *testing.T) *edit {
	t.Helper()
	e := newEdit(t)
	gittest.Put(e.host, "a", "one\n")
	gittest.Git(t, e.host, "add", "-A")
	gittest.Git(t, e.host, "commit", "-q", "-m", "first")
	e.copy(t)
	return e
}

func (e *edit) copy(t *testing.T) {
	t.Helper()
	gittest.Copy(t, e.host, e.guest)
	e.base = e.tree(t)
}

// tree is the copy as it is.
func (e *edit) tree(t *testing.T) string {
	t.Helper()
	gittest.Git(t, e.guest, "add", "-A")
	return strings.TrimSpace(gittest.Git(t, e.guest, "write-tree"))
}

// request is the patch of what was done in the copy.
func (e *edit) request(t *testing.T) workspace.ApplyRequest {
	t.Helper()
	req := workspace.ApplyRequest{Top: e.host, Patch: filepath.Join(t.TempDir(), "patch")}
	diff := []string{"diff-tree", "-r", "-M", "--binary", "--full-index", e.base, e.tree(t)}
	patch, err := gittest.TryIn(e.guest, "", append(diff, "-p")...)
	if err == nil {
		err = os.WriteFile(req.Patch, []byte(patch), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(gittest.Git(t, e.guest, append(diff, "-z", "--name-status")...), "\x00")
	for len(names) > 1 {
		f := workspace.File{Path: names[1]}
		switch names[0][0] {
		case 'D':
			f.Status = "deleted"
		case 'R':
			f = workspace.File{Status: "renamed", From: names[1], Path: names[2]}
			names = names[1:]
		}
		req.Files, names = append(req.Files, f), names[2:]
	}
	return req
}

// applied applies the patch, which must apply.
func (e *edit) applied(t *testing.T) {
	t.Helper()
	if res, err := e.applier.Apply(t.Context(), e.request(t)); err != nil || len(res.Conflicts) > 0 {
		t.Fatalf("apply = %+v, %v", res, err)
	}
}

// apply returns the conflicts of an apply.
func apply(ctx context.Context, a *gitapply.Applier, req workspace.ApplyRequest) ([]string, error) {
	res, err := a.Apply(ctx, req)
	return res.Conflicts, err
}

// The loop of a review: apply, more work, apply. The second patch is against
// what the first one left.
func TestMoreWorkIsAppliedAfterTheFirst(t *testing.T) {
	l := prepared(t)
	for _, work := range []string{"two\n", "two\nthree\n", "four\n"} {
		gittest.Put(l.guest, "a", work)
		gittest.Put(l.guest, "new", work)
		req := l.request(t)
		if res, err := l.applier.Apply(t.Context(), req); err != nil || len(res.Conflicts) > 0 || res.Already {
			t.Fatalf("apply of %q = %+v, %v", work, res, err)
		}
		gittest.Same(t, "after the patch", gittest.Files(t, l.guest), gittest.Files(t, l.host))
		for _, check := range []bool{true, false} {
			req.CheckOnly = check
			if res, err := l.applier.Apply(t.Context(), req); err != nil || !res.Already || len(res.Conflicts) > 0 {
				t.Errorf("once more (check %v) = %+v, %v; want that it is there already", check, res, err)
			}
		}
		l.base = l.tree(t)
	}
}

func TestHalfOfAPatchIsNotAllOfIt(t *testing.T) {
	l := prepared(t)
	gittest.Put(l.guest, "a", "two\n")
	gittest.Put(l.guest, "new", "x\n")
	req := l.request(t)
	gittest.Put(l.host, "a", "two\n") // by hand
	res, err := l.applier.Apply(t.Context(), req)
	if err != nil || res.Already || strings.Join(res.Conflicts, " ") != "a" {
		t.Errorf("apply = %+v, %v; want a in the way", res, err)
	}
}
