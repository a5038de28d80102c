package rootfs

import (
	"context"
	"io"

	"github.com/bangervm/banger/internal/image"
)

// Images implements image.Filesystems.
type Images struct{}

// Write implements image.Filesystems.
func (Images) Write(ctx context.Context, tar io.Reader, path, uuid string) (image.Filesystem, error) {
	info, err := FromTar(ctx, tar, path, Options{UUID: uuid, Hash: true})
	return filesystem(info), err
}

// Read implements image.Filesystems.
func (Images) Read(ctx context.Context, path string) (image.Filesystem, error) {
	info, err := Describe(ctx, path)
	return filesystem(info), err
}

func filesystem(info Info) image.Filesystem {
	return image.Filesystem{Bytes: info.SizeBytes, SHA256: info.SHA256, UUID: info.UUID}
}

// Inspect implements image.Filesystems.
func (Images) Inspect(ctx context.Context, path string) (image.Filesystem, error) {
	root, err := Inspect(ctx, path)
	return image.Filesystem{Bytes: root.SizeBytes, Architecture: root.Architecture}, err
}

// Copy implements image.Filesystems.
func (Images) Copy(ctx context.Context, from, to string) error { return Clone(ctx, from, to) }
