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
	Close() error
}

// UseArchives says what turns images into archives, before the first call of Save.
func (s *Service) UseArchives(archives Archives) { s.archives = archives }

// Save reads the image that Get finds, to be written as an OCI archive. Its file must be
// Usable: what it has become is not the image. The caller closes the Saved.
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
