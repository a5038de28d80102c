package oci

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bangervm/banger/internal/fault"
)

// TestLayersWithoutASize: a layer says how many bytes it has. One that says fewer than none
// would be one whose size is not known, which nothing bounds.
func TestLayersWithoutASize(t *testing.T) {
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	config := &imageConfig{ConfigFile: &v1.ConfigFile{RootFS: v1.RootFS{DiffIDs: []v1.Hash{digest}}}}
	for size, refused := range map[int64]bool{-1: true, -1 << 62: true, 0: false, 1: false} {
		m := &v1.Manifest{Layers: []v1.Descriptor{{MediaType: types.OCILayer, Size: size, Digest: digest}}}
		layers, err := layersOf(m, config, nobody{})
		switch {
		case refused && !errors.Is(err, fault.Invalid):
			t.Errorf("%d bytes: %v", size, err)
		case !refused && (err != nil || layers[0].size != size):
			t.Errorf("%d bytes: %+v, %v", size, layers, err)
		}
	}
}
