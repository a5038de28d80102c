package gitrepo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/workspace"
)

// applyRequest exports the guest's work for the host's work tree.
func (l *loop) applyRequest(t *testing.T) workspace.ApplyRequest {
	t.Helper()
	file, got, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := l.git.Diff(t.Context(), l.vault, l.sent.BaseTree, got.Tree)
	if err != nil {
		t.Fatal(err)
	}
	return workspace.ApplyRequest{Top: l.host, Patch: file, Files: changes}
}

// git knows no empty directories, and stops at one in a file's place.
func TestApplyReplacesEmptyDirectories(t *testing.T) {
	l := prepared(t)
	if err := os.MkdirAll(filepath.Join(l.host, "d", "e", "f"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(l.guest, "d", "a file\n")
	conflicts, err := l.git.Apply(t.Context(), l.applyRequest(t))
	if err != nil || len(conflicts) > 0 {
		t.Fatalf("conflicts = %v, %v", conflicts, err)
	}
	same(t, "after the patch", files(t, l.guest), files(t, l.host))
}

func TestApplyFindsAFileWhereItNeedsADirectory(t *testing.T) {
	l := prepared(t)
	put(l.host, "d", "mine\n")
	put(l.guest, "d/inner", "x\n")
	put(l.guest, "a", "two\n")
	before := files(t, l.host)
	conflicts, err := l.git.Apply(t.Context(), l.applyRequest(t))
	if err != nil || strings.Join(conflicts, " ") != "d" {
		t.Errorf("conflicts = %v, %v; want d", conflicts, err)
	}
	same(t, "a patch that does not apply", before, files(t, l.host))
}
