package command

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/agent/regular/regulartest"
)

func TestNothingWhateverTheDeviceIs(t *testing.T) {
	empty := func(t *testing.T, device string) {
		t.Helper()
		f, err := nothing(device)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if data, err := io.ReadAll(f); err != nil || len(data) > 0 {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	}
	empty(t, os.DevNull)
	empty(t, filepath.Join(t.TempDir(), "missing"))
	for kind, odd := range regulartest.Odd() {
		t.Run(kind, func(t *testing.T) {
			device := filepath.Join(t.TempDir(), "null")
			odd(t, device)
			empty(t, device)
		})
	}
}
