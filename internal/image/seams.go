package image

import (
	"context"
	"io"

	"github.com/bangervm/banger/internal/operation"
)

// Source turns references into contents.
type Source interface {
	// Open finds what ref points at, and fetches its metadata, but not yet its
	// files. Input is read for a Tar reference to Stdin only. The caller closes
	// the Content. Unknown images are NotFound, registries that do not answer
	// Unavailable, and what is malformed or for another architecture Invalid.
	Open(ctx context.Context, ref Ref, input io.Reader) (Content, error)
}

// Content is one image's metadata and files.
type Content interface {
	// Info describes the image. Its Digest may be empty until Unpack is done.
	Info() Info
	// Unpack fetches the layers, verifies them, and gives write one
	// uncompressed tar stream of the merged files in final order. It returns
	// write's error as it came. It reports the stages fetch and unpack.
	Unpack(ctx context.Context, p operation.Progress, write func(tar io.Reader) error) error
	Close() error
}

// Info is what is known of an image before its files are.
type Info struct {
	Digest       string // sha256:…
	Architecture string
	OS           string
	Config       Config
}

// WriteRootfs writes the tar stream as a read-only filesystem into the file
// path, and returns its size in bytes. On an error it leaves no file.
type WriteRootfs func(ctx context.Context, tar io.Reader, path string) (int64, error)

// Store keeps images on disk.
type Store interface {
	// List returns all images, in no order. What is unfinished is not listed.
	List(ctx context.Context) ([]Manifest, error)
	// Stage begins a new image. Nothing is visible until its Commit.
	Stage(ctx context.Context, id string) (Staging, error)
	// Update replaces the manifest of an image that exists.
	Update(ctx context.Context, m Manifest) error
	// Remove deletes an image. Removing one that is not there is no error.
	Remove(ctx context.Context, id string) error
	// Sweep removes what unfinished calls left. Nothing may be staged meanwhile.
	Sweep(ctx context.Context) error
}

// Staging is an image in the making.
type Staging interface {
	// RootfsPath is where the root filesystem is to be written.
	RootfsPath() string
	// ShareRootfs makes it the file of the image with this id, and reports whether
	// that can be.
	ShareRootfs(id string) (bool, error)
	// KernelDir is the directory, not made yet, for a kernel of the image's own.
	KernelDir() string
	// Commit stores the manifest beside the filesystem and makes the image
	// visible, whole, and on disk for good.
	Commit(m Manifest) error
	// Discard removes everything staged. After Commit it does nothing.
	Discard() error
}

// Kernels are those that images can have for their own.
type Kernels interface {
	// Check is NotFound when there is no local kernel called name.
	Check(ctx context.Context, name string) error
	// Keep makes the directory dir, with the kernel called name, which stays
	// whatever becomes of that.
	Keep(ctx context.Context, name, dir string) error
	// KeepOf is Keep of the kernel that the image with this id has for its own.
	KeepOf(ctx context.Context, imageID, dir string) error
}

// Users knows which VMs use an image.
type Users interface {
	// ImageUsers returns the names of the VMs made from the image with this id.
	ImageUsers(ctx context.Context, imageID string) ([]string, error)
}
