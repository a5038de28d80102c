package gitvault_test

import (
	"errors"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitvault"
)

func TestTreePaths(t *testing.T) {
	for _, path := range []string{"a", "dir/a", ".gitignore", "a.git", "git~", "git~x", "...", "with space", "caf\xe9", "new\nline", "a..b"} {
		if err := gitvault.CheckTreePath(path); err != nil {
			t.Errorf("%q is refused: %v", path, err)
		}
	}
	for _, path := range []string{
		"", "/a", "a\x00b", "a//b", "./a", "a/", "..", "a/../b", ".git", ".GIT/config", "dir/.git", ".git.", ".git ", ".git::$INDEX_ALLOCATION",
		"git~1/config", "GIT~12", `dir\.git\config`, ".g\u200cit", ".g\ufeffit",
	} {
		if err := gitvault.CheckTreePath(path); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v; want Invalid", path, err)
		}
	}
}
