package image

import (
	"context"
	"io"
	"time"

	"github.com/bangervm/banger/internal/operation"
)

// Source turns references into contents.
type Source interface {
	// Open finds what ref points at, and fetches its metadata, but not yet its
	// files. Input is read for a Tar reference to Stdin only. The caller closes
	// the Content. Unknown images are NotFound, registries that do not answer
	// Unavailable, and what is malformed or for another architecture Invalid.
	Open(ctx context.Context, ref Ref, input io.Reader) (Content, error)
	// Recall is the Info of what Open would return, if a registry's image with the
	// digest in ref was here before and what describes it still is. It asks nobody.
	Recall(ctx context.Context, ref Ref) (Info, bool)
}

// Content is one image's metadata and files.
type Content interface {
	// Info describes the image. Its Digest may be empty until Unpack is done.
	Info() Info
	// Unpack fetches the layers, verifies them, and gives write one
	// uncompressed tar stream of the merged files in final order. It returns
	// write's error as it came. It reports stages of a Content.
	Unpack(ctx context.Context, p operation.Progress, write func(tar io.Reader) error) error
	Close() error
}

// Info is what is known of an image before its files are.
type Info struct {
	Digest       string // sha256:…
	Architecture string
	Variant      string // of the architecture, where the reference has a platform
	OS           string
	Config       Config
}

// Filesystem is what a root filesystem in a file is known by.
type Filesystem struct {
	Bytes  int64  // of the file
	SHA256 string // of the file, in hex
	UUID   string
	// Architecture is that of its programs, as GOARCH has it; empty: not known.
	Architecture string
}

// Filesystems are root filesystems in files.
type Filesystems interface {
	// Write writes the tar stream as a read-only filesystem into the file path. The
	// same stream with the same uuid makes the same file; empty means a new one. On an
	// error it leaves no file.
	Write(ctx context.Context, tar io.Reader, path, uuid string) (Filesystem, error)
	// Read reads the whole file.
	Read(ctx context.Context, path string) (Filesystem, error)
	// Inspect is Invalid unless the file, which somebody else made, is an ext4 that was
	// cleanly unmounted and holds a root. It returns neither SHA256 nor UUID.
	Inspect(ctx context.Context, path string) (Filesystem, error)
	// Copy makes the file to, which must not exist. On an error it leaves no file.
	Copy(ctx context.Context, from, to string) error
}

// FileState is what tells that a file has changed.
type FileState struct {
	Bytes      int64
	ModifiedAt time.Time
	Inode      uint64
	Directory  bool // it is no file
}

// Store keeps images on disk.
type Store interface {
	// List returns all images, in no order. What is unfinished is not listed.
	List(ctx context.Context) ([]Manifest, error)
	// Stage begins a new image. Nothing is visible until its Commit.
	Stage(ctx context.Context, id string) (Staging, error)
	// RootfsPath is where the image's filesystem is.
	RootfsPath(m Manifest) string
	// LayerPath is where the image's own layer with this digest is.
	LayerPath(id, digest string) string
	// Owns reports whether a path, whatever links it has, is in banger's own directories.
	Owns(path string) bool
	// Stat looks at the file at an absolute path. NotFound when there is none.
	Stat(path string) (FileState, error)
	// Renew begins to make the filesystem of an image that exists anew.
	Renew(ctx context.Context, id string) (Renewal, error)
	// Update replaces the manifest of an image that exists.
	Update(ctx context.Context, m Manifest) error
	// Remove deletes an image. Removing one that is not there is no error.
	Remove(ctx context.Context, id string) error
	// Sweep removes what unfinished calls left. Nothing may be staged meanwhile.
	Sweep(ctx context.Context) error
}

// Events hears of images, once they are stored or removed, and in that order: each call
// comes under the lock of the change. Its methods must not wait.
type Events interface {
	ImageChanged(m Manifest)
	ImageDeleted(m Manifest)
}

// Renewal is a filesystem in the making, for an image that exists.
type Renewal interface {
	// RootfsPath is where it is to be written.
	RootfsPath() string
	// Commit puts it in its place, whole and on disk for good, and then the manifest.
	// VMs that run keep the file that they have open.
	Commit(m Manifest) error
	// Discard removes what was written. After Commit it does nothing.
	Discard() error
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
	// LayersDir is the directory, not made yet, for layers of the image's own: files
	// called by the hex digits of their digests.
	LayersDir() string
	// ShareLayers makes it with the own layers of m, and reports whether they are all there.
	ShareLayers(m Manifest) (bool, error)
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
	// Look is Verify by a look at the files, without their content.
	Look(imageID string) error
	// Verify reads the kernel that the image with this id has for its own. It is NotFound
	// when there is none, and Unavailable when it is not whole.
	Verify(ctx context.Context, imageID string) error
	// Restore puts a whole copy in the place of that kernel: of the same one, wherever it
	// still is, or else of the local one called name, and tells p which. It is Unavailable
	// when there is neither.
	Restore(ctx context.Context, imageID, name string, p operation.Progress) error
	// Build makes the directory dir, with a kernel called name made of the user's files.
	// It begins the stages of a kernel's import.
	Build(ctx context.Context, name string, files BootFiles, dir string, p operation.Progress) error
}

// Users knows which VMs use an image.
type Users interface {
	// ImageUsers returns the names of the VMs made from the image with this id.
	ImageUsers(ctx context.Context, imageID string) ([]string, error)
}
