package catalogstore

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/statedir"
)

func TestStore(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir()}
	s := New(dirs, slog.New(slog.DiscardHandler))
	if c, ok := s.Get(t.Context(), "a"); ok {
		t.Errorf("nothing was put, and there is %+v", c)
	}
	largest := catalog.Copy{
		URL: "file:///c", ETag: `"1"`, FetchedAt: time.Unix(1, 0).UTC(),
		Data: []byte(strings.Repeat("x", catalog.MaxBytes)), Signature: []byte("s"),
	}
	for _, want := range []catalog.Copy{{URL: "file:///old"}, largest} {
		if err := s.Put(t.Context(), "a", want); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Get(t.Context(), "a"); !ok || !cmp.Equal(got, want) {
			t.Errorf("got %+v, %v", got, ok)
		}
	}
	if err := os.WriteFile(dirs.Catalog("a"), []byte(`{"url":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, ok := s.Get(t.Context(), "a"); ok {
		t.Errorf("a copy that was cut off is %+v", c)
	}
	if err := errors.Join(os.Remove(dirs.Catalog("a")), syscall.Mkfifo(dirs.Catalog("a"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if c, ok := s.Get(t.Context(), "a"); ok {
		t.Errorf("a pipe without a writer is %+v", c)
	}
}
