package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/image"
)

// TestImageBodyOfVolumesAndOwnKernel: a kernel that the image has is not the one that
// a local kernel of the name is.
func TestImageBodyOfVolumesAndOwnKernel(t *testing.T) {
	m := image.Image{Manifest: image.Manifest{
		Kernel: "debian-12", OwnKernel: true, Config: image.Config{Volumes: []string{"/data"}},
	}}
	got := imageBody(m, 0, 0)
	if diff := cmp.Diff([]string{"/data"}, got.Volumes); diff != "" || !got.OwnKernel || got.Kernel != "debian-12" {
		t.Errorf("%+v\n%s", got, diff)
	}
	m.OwnKernel = false
	if imageBody(m, 0, 0).OwnKernel {
		t.Error("a local kernel is the image's own")
	}
}
