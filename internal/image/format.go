package image

import (
	"encoding/json"

	"github.com/bangervm/banger/internal/fault"
)

// ManifestFormat numbers manifest.json. An older format is upgraded when read, and stored
// so when the image is next written. An image of a newer one is left alone.
const ManifestFormat = 2

// ConfigFormat numbers what of its source's configuration an image has: 1 is all of
// Config, 0 lacks what builds before did not store, such as the health check. What is
// lacking comes from the source, at the first use that has it.
const ConfigFormat = 1

// ParseManifest reads a manifest.json. One of a newer format is a fault Invalid, whatever
// else is in it.
func ParseManifest(data []byte) (Manifest, error) {
	var numbered struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &numbered); err != nil {
		return Manifest{}, err
	}
	if numbered.Format > ManifestFormat {
		return Manifest{}, fault.New(fault.Invalid, "its manifest.json has format %d; this banger knows formats up to %d", numbered.Format, ManifestFormat)
	}
	var m struct {
		Manifest
		// Name is what format 1 has instead of Names.
		Name string `json:"name"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, err
	}
	if m.Format < 2 && m.Name != "" {
		m.Names = []Name{{Name: m.Name, Ref: m.Source, At: m.CreatedAt}}
	}
	if m.Origin == Untold {
		m.Origin = originOf(m.Source, m.External != nil, m.Base != nil)
	}
	if m.Base != nil && m.Base.Origin == Untold {
		m.Base.Origin = originOf(m.Base.Source, false, false)
	}
	m.Format = ManifestFormat
	return m.Manifest, nil
}
