package server_test

import (
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/image"
)

// TestNamesOfVMsImages: a VM shows what its image is called now.
func TestNamesOfVMsImages(t *testing.T) {
	named := func(id, name string) image.Image {
		return image.Image{Manifest: image.Manifest{ID: id, Format: 2}, Name: name}
	}
	unknown := image.Image{Manifest: image.Lost("aaaaaaaaaaaa")}
	for what, test := range map[string]struct {
		images []image.Image
		want   string
	}{
		"as it was":              {[]image.Image{named("aaaaaaaaaaaa", "base"), named("aaaaaaaaaaaa", "debian")}, "debian"},
		"another has its name":   {[]image.Image{named("bbbbbbbbbbbb", "debian"), named("aaaaaaaaaaaa", "")}, "<none>"},
		"it has another name":    {[]image.Image{named("aaaaaaaaaaaa", "base"), named("bbbbbbbbbbbb", "debian")}, "base"},
		"nothing is known of it": {[]image.Image{unknown}, "debian"},
		"there is no such image": {nil, "debian"},
	} {
		t.Run(what, func(t *testing.T) {
			f := start(t)
			v := f.vms["web"]
			v.Image, v.ImageID = "debian", "aaaaaaaaaaaa"
			f.vms["web"], f.images = v, test.images
			one, err := f.client.GetVM(t.Context(), "web")
			if err != nil || status.Image(&one) != test.want || one.ImageID != v.ImageID {
				t.Errorf("%q, %v; want %q", status.Image(&one), err, test.want)
			}
			all, err := f.client.ListVMs(t.Context(), nil)
			var listed api.VM
			for _, v := range all {
				if v.Name == "web" {
					listed = v
				}
			}
			if err != nil || status.Image(&listed) != test.want {
				t.Errorf("listed: %q, %v; want %q", status.Image(&listed), err, test.want)
			}
		})
	}
}
