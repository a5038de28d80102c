package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/workspace"
)

func TestBasesThatAUserMayName(t *testing.T) {
	l := prepared(t)
	put(l.guest, "a", "two\n")
	git(t, l.guest, "checkout", "-q", "-b", l.sent.BaseTree[:12]) // which must not be taken for the tree
	git(t, l.guest, "commit", "-qam", "theirs")
	if _, _, err := l.export(workspace.Bundle, l.sent.HeadCommit); err != nil {
		t.Fatal(err)
	}
	whole, _, err := l.export(workspace.Patch, l.sent.BaseTree)
	if err != nil {
		t.Fatal(err)
	}
	short, _, err := l.export(workspace.Patch, l.sent.BaseTree[:12])
	if err != nil || read(t, short) != read(t, whole) || read(t, whole) == "" {
		t.Errorf("the beginning of the tree's name: %v; want what its whole name gives", err)
	}
	injected := filepath.Join(t.TempDir(), "injected")
	for base, want := range map[string]fault.Code{
		"--output=" + injected: fault.Invalid, "--no-index": fault.Invalid, "HEAD": fault.Invalid, "abcd..ef01": fault.Invalid,
		"": fault.Invalid, "abc": fault.Invalid, "deadbeefdeadbeef": fault.NotFound, "0123456789012345678901234567890123456789": fault.NotFound,
	} {
		for _, format := range []workspace.Format{workspace.Patch, workspace.Mbox, workspace.Bundle} {
			if _, _, err := l.export(format, base); !errors.Is(err, want) {
				t.Errorf("base %q, %s: %v; want %s", base, format, err, want)
			}
		}
	}
	if _, err := os.Lstat(injected); err == nil {
		t.Error("a base was taken for an option of git's")
	}
}
