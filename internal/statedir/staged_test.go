package statedir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bangervm/banger/internal/statedir"
)

// TestRemoveStagedOfAWriter: somebody makes files there for a while.
func TestRemoveStagedOfAWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x.staging")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // of a test
	began, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := range 20_000 {
			f, err := root.Create(strconv.Itoa(i))
			if err != nil {
				return // the directory is gone
			}
			_ = f.Close()
			if i == 1000 {
				close(began)
			}
		}
	}()
	<-began
	if err := statedir.RemoveStaged(t.Context(), dir); err != nil {
		t.Error(err)
	}
	<-ended
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want ErrNotExist", err)
	}
	if err := statedir.RemoveStaged(t.Context(), dir); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}
