package server_test

import (
	"errors"
	"io"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// TestSaveImage: an archive that cannot be written to its end is not taken for whole.
func TestSaveImage(t *testing.T) {
	f := start(t)
	read := func(name string) (string, error) {
		r, err := f.client.SaveImage(t.Context(), name)
		if err != nil {
			return "", err
		}
		defer func() { _ = r.Close() }()
		if want := (api.ArchiveLayers{Pulled: 2, Committed: 1}); r.Layers != want || r.Digest != "sha256:1" {
			t.Errorf("%s: %+v, digest %q", name, r.Layers, r.Digest)
		}
		got, err := io.ReadAll(r)
		return string(got), err
	}
	if got, err := read("debian"); err != nil || got != "debian" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := read("torn"); err == nil {
		t.Errorf("half an archive is %q, and no error", got)
	}
	if _, err := f.client.SaveImage(t.Context(), "unknown"); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v, want NotFound", err)
	}
}
