package daemon

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/statedir"
)

// TestAnImageThatLostItsKernel: a new VM gets no other instead. One that never had its own
// has the kernel of its name.
func TestAnImageThatLostItsKernel(t *testing.T) {
	dirs := statedir.Dirs{State: t.TempDir()}
	quiet := slog.New(slog.DiscardHandler)
	baseImage(t, dirs)
	service := imagesOf(dirs, imagestore.New(dirs, quiet), quiet)
	store := kernelstore.New(dirs, quiet)
	service.UseKernels(imageKernels{store: store, dirs: dirs, images: service})
	k := kernels{images: service, store: store, dirs: dirs}
	if _, err := k.OfImage(t.Context(), "aaaaaaaaaaaa"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("one without a kernel of its own: %v", err)
	}
	path := dirs.Image("aaaaaaaaaaaa").Manifest()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m image.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	m.Kernel, m.OwnKernel = "k", true
	if data, err = json.Marshal(m); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.OfImage(t.Context(), "aaaaaaaaaaaa"); !errors.Is(err, fault.Unavailable) || fault.HintOf(err) == nil {
		t.Errorf("one that lost it: %v, hint %q", err, fault.HintOf(err))
	}
}
