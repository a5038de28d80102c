package kernelbundle

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// TestAllFilesTogetherAreBounded, as they say their sizes: what would be too much is not
// begun.
func TestAllFilesTogetherAreBounded(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // a test's
	u := &unpacker{ctx: t.Context(), root: root, room: statedir.NewRoom(dir), dir: dir, total: maxTotal - 3}
	add := func(name, content string) error {
		h, content := file(name, content)
		return u.add(&h, strings.NewReader(content))
	}
	if err := add("last", "abc"); err != nil {
		t.Fatal(err)
	}
	if err := add("more", "d"); !errors.Is(err, fault.Invalid) {
		t.Errorf("a byte more: %v, want Invalid", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}
