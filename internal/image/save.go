package image

import (
	"context"
	"io"
)

// Archives turn images into OCI archives.
type Archives interface {
	// Open reads the image's files once. The caller closes what it returns.
	Open(ctx context.Context, m Image) (Saved, error)
}

// Saved is an image ready to be written. It can be written though the image is
// deleted meanwhile.
type Saved interface {
	// Write writes the OCI archive. The same image gives the same bytes.
	Write(ctx context.Context, w io.Writer) error
	// Form is what layers it has.
	Form() Form
	// Digest is sha256:… of the manifest in the archive, as a registry would have it.
	Digest() string
	Close() error
}

// Form is what layers an archive has, as numbers of them.
type Form struct {
	Pulled    int // as they were pulled
	Merged    int // made of the files of the image, or of the base of a committed one
	Committed int // added by commits
	// Lost is why a layer that is here is not in it: it is not whole. Empty: none is.
	Lost string
}

// UseArchives says what turns images into archives, before the first call of Save.
func (s *Service) UseArchives(archives Archives) { s.archives = archives }

// Save reads the image that Get finds, to be written as an OCI archive. It is Unavailable
// when its files are missing or have changed: what they have become is not the image. The
// caller closes the Saved.
func (s *Service) Save(ctx context.Context, name string) (Saved, error) {
	m, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.Usable(m.Manifest); err != nil {
		return nil, err
	}
	return s.archives.Open(ctx, m)
}
