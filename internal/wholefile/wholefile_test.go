package wholefile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bangervm/banger/internal/wholefile"
)

// only checks that a directory has one file, with the text and mode.
func only(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatalf("the directory has %v, %v", entries, err)
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != text {
		t.Errorf("%q, %v; want %q", data, err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("mode %v, %v; want %v", info.Mode(), err, mode)
	}
}

func TestReplaceTakesTheFilesPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "two"} {
		if err := wholefile.Replace(path, strings.NewReader(text), 0o644); err != nil {
			t.Fatal(err)
		}
		only(t, path, text, 0o644)
	}
}

func TestCreateTakesThePlaceOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := wholefile.Create(path, strings.NewReader("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wholefile.Create(path, strings.NewReader("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	only(t, path, "one", 0o600)
}

func TestAFailedReadLeavesWhatWasThere(t *testing.T) {
	path, broken := filepath.Join(t.TempDir(), "f"), errors.New("broken")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	half := io.MultiReader(strings.NewReader("ne"), iotest.ErrReader(broken))
	if err := wholefile.Replace(path, half, 0o644); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	only(t, path, "old", 0o600)
}

func TestAMissingDirectory(t *testing.T) {
	if err := wholefile.Create(filepath.Join(t.TempDir(), "no", "f"), strings.NewReader(""), 0o600); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), ".banger-") {
		t.Errorf("got %v", err)
	}
}
