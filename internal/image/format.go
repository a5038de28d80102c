package image

import (
	"encoding/json"

	"github.com/bangervm/banger/internal/fault"
)

// ManifestFormat numbers manifest.json. An older format is upgraded when read,
// a newer one refused.
const ManifestFormat = 2

// ParseManifest reads a manifest.json. One of a newer format is a fault Invalid.
func ParseManifest(data []byte) (Manifest, error) {
	var m struct {
		Manifest
		// Name is what format 1 has instead of Names.
		Name string `json:"name"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, err
	}
	if m.Format > ManifestFormat {
		return Manifest{}, fault.New(fault.Invalid, "an image has format %d; this banger knows formats up to %d", m.Format, ManifestFormat).
			WithHint("upgrade banger, or remove the image's directory")
	}
	if m.Format < 2 && m.Name != "" {
		m.Names = []Name{{Name: m.Name, Ref: m.Source, At: m.CreatedAt}}
	}
	if m.Origin == "" {
		m.Origin = originOf(m.Source, m.External != nil, m.Base != nil)
	}
	if m.Base != nil && m.Base.Origin == "" {
		m.Base.Origin = originOf(m.Base.Source, false, false)
	}
	m.Format = ManifestFormat
	return m.Manifest, nil
}
