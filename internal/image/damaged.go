package image

import (
	"errors"
	"io/fs"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// MaxManifestBytes bounds a manifest.json, when it is written as when it is read. It is
// far more than the rules let it have: what they forbid only now must stay visible, to be
// removed.
const MaxManifestBytes = 32 << 20

// Recovered is what is known of the image with this id. Manifest reads its manifest.json;
// where that is damaged or missing, the copy of it tells, which backup reads. The image
// is Damaged then. Where neither can be read, or one is of a newer format, its id is all that
// is known. An image of which neither is there is an fs.ErrNotExist.
func Recovered(id string, manifest, backup func() ([]byte, error)) (Manifest, error) {
	m, err := parsed(id, manifest)
	switch {
	case err == nil:
		return m, nil
	case fault.CodeOf(err) == fault.Invalid:
		return ofNewer(id, err), nil
	}
	problem := "its manifest.json is damaged"
	if errors.Is(err, fs.ErrNotExist) {
		problem = "its manifest.json is missing"
	}
	m, backupErr := parsed(id, backup)
	switch {
	case fault.CodeOf(backupErr) == fault.Invalid:
		return ofNewer(id, backupErr), nil
	case errors.Is(err, fs.ErrNotExist) && errors.Is(backupErr, fs.ErrNotExist):
		return Manifest{}, err
	case errors.Is(backupErr, fs.ErrNotExist):
		m, problem = Manifest{ID: id}, problem+", and there is no copy of it"
	case backupErr != nil:
		m, problem = Manifest{ID: id}, problem+", and so is the copy of it"
	}
	m.Damaged = problem
	return m, nil
}

// Lost is what is known of an image of which only a directory is left.
func Lost(id string) Manifest {
	return Manifest{ID: id, Damaged: "its manifest.json is missing, and there is no copy of it"}
}

// ofNewer is what is known of an image of a newer format: no more, lest it be changed.
func ofNewer(id string, err error) Manifest {
	return Manifest{ID: id, Newer: true, Damaged: err.Error()}
}

func parsed(id string, read func() ([]byte, error)) (Manifest, error) {
	data, err := read()
	if err != nil { // Invalid is what ParseManifest says of a newer format
		return Manifest{}, fault.Wrap(fault.Internal, err, "read the manifest of %s", id)
	}
	m, err := ParseManifest(data)
	if err == nil && m.ID != id {
		return Manifest{}, fault.New(fault.Internal, "the manifest of %s belongs to image %q", id, m.ID)
	}
	return m, err
}

// Unknown reports whether nothing but the id of a damaged image is known.
func (m Manifest) Unknown() bool { return m.Damaged != "" && m.Format == 0 }

// damage is the fault Unavailable of a Damaged image.
func (m Manifest) damage() error {
	if !m.Unknown() {
		return m.broken("%s", m.Damaged)
	}
	if m.Newer {
		return fault.New(fault.Unavailable, "image %s cannot be used: %s", m.ID, m.Damaged).
			WithHint("use a banger as new as the one that made it")
	}
	return fault.New(fault.Unavailable, "image %s cannot be used: %s; nothing tells what it was", m.ID, m.Damaged).
		WithHint("remove it, and pull the image again: %s", act.ImageDelete.On(m.ID))
}
