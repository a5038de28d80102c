// Package kmod prepares a kernel's modules for a guest: decompressed, indexed
// by depmod, and packed into one filesystem; and picks those that the
// initramfs carries.
package kmod

import (
	"context"
	"io"
)

// MakeFilesystem writes the tar stream into a new read-only filesystem image
// at path.
type MakeFilesystem func(ctx context.Context, tar io.Reader, path string) error

// Packer is a kernel.ModulePacker.
type Packer struct{ mkfs MakeFilesystem }

// New makes a Packer.
func New(mkfs MakeFilesystem) *Packer { return &Packer{mkfs: mkfs} }
