// Package image is the catalog of images: what an image is, how one is named,
// and the steps by which a reference becomes a root filesystem on disk.
package image

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Manifest describes the files of an image; it is its manifest.json.
type Manifest struct {
	Format       int    `json:"format"`
	ID           string `json:"id"`    // 12+ lower-case hex digits
	Names        []Name `json:"names"` // none: others have taken them
	Origin       Origin `json:"origin"`
	Source       string `json:"ref"`    // the reference that its files came from, as Origin has it
	Digest       string `json:"digest"` // sha256:… of the manifest, or of the tar
	Architecture string `json:"architecture"`
	// Variant of the architecture, where the user asked for the platform.
	Variant     string `json:"variant,omitempty"`
	OS          string `json:"os"`
	RootfsBytes int64  `json:"rootfs_bytes"`
	// RootfsSHA256 is of the file with the filesystem, in hex. RootfsUUID is the
	// filesystem's: the disks of VMs know it. Both are empty in format 1, and of
	// External.
	RootfsSHA256 string `json:"rootfs_sha256,omitempty"`
	RootfsUUID   string `json:"rootfs_uuid,omitempty"`
	// External is the user's own file that has the filesystem; nil: the image has it.
	External *External `json:"external,omitempty"`
	Kernel   string    `json:"kernel"` // default kernel of its VMs; empty: the default one
	// OwnKernel says that the image has its own kernel, called Kernel when it
	// was taken.
	OwnKernel bool `json:"own_kernel,omitempty"`
	// Layers are those that commits added to the files of Base, the lowest first. Without
	// a Base there are none: the image was pulled or registered.
	Base   *Base   `json:"base,omitempty"`
	Layers []Layer `json:"layers,omitempty"`
	Config Config  `json:"config"`
	// ConfigFormat is that of the build that stored the Config.
	ConfigFormat int       `json:"config_format,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	// Damaged says what is wrong with the manifest itself, as Recovered has it. It is
	// not stored: what is stored again is whole.
	Damaged string `json:"-"`
	// Newer says of a Damaged image that a newer build made it, so that it is whole to that.
	Newer bool `json:"-"`
}

// External is a file of the user's, as it was when it became an image.
type External struct {
	Path       string    `json:"path"` // absolute
	ModifiedAt time.Time `json:"modified_at"`
	Inode      uint64    `json:"inode"`
}

// Name is one name of an image. Several may lead to one image.
type Name struct {
	Name string `json:"name"`
	// Ref is what the image was pulled from when it got the name.
	Ref string `json:"ref"`
	// DiskBytes is the size of the disk that VMs get by default; 0: as configured.
	DiskBytes int64 `json:"disk_bytes,omitempty"`
	// MemoryBytes is what VMs get at least; 0: as configured.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// PreferKernel is what VMs boot if it is local, and if neither they nor the image nor the
	// configuration names a kernel; empty: none.
	PreferKernel string `json:"prefer_kernel,omitempty"`
	// At is when the name came to the image. Of two images with one name, which a
	// crash may leave, the later has it.
	At time.Time `json:"at"`
}

// Image is an image as one of its names shows it.
type Image struct {
	Manifest
	Name string // empty: it has none
	Ref  string // of the Name, or the Manifest's Source
	// These are of the Name.
	DiskBytes, MemoryBytes int64
	PreferKernel           string
}

// Config is the part of the OCI image configuration that banger uses.
type Config struct {
	Env        []string `json:"env,omitempty"`
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	WorkingDir string   `json:"working_dir,omitempty"`
	User       string   `json:"user,omitempty"`
	// StopSignal asks the image's program to end: a name, with or without SIG, or a
	// number. Empty: TERM.
	StopSignal string `json:"stop_signal,omitempty"`
	// ExposedPorts are the ports that the image's program listens on, "80/tcp", in order.
	ExposedPorts []string `json:"exposed_ports,omitempty"`
	// Volumes are directories for data, which each VM has, in order.
	Volumes []string `json:"volumes,omitempty"`
	// HealthCheck tells whether the image's program does its work; nil: nothing does.
	HealthCheck *HealthCheck `json:"health_check,omitempty"`
	// Labels are the author's notes.
	Labels map[string]string `json:"labels,omitempty"`
}

// Command is the program that the image runs by itself, with its arguments; nil:
// the image names none.
func (c Config) Command() []string { return slices.Concat(c.Entrypoint, c.Cmd) }

// maxConfigBytes bounds a Config as JSON: it is part of what every VM of the
// image is told at its start, in one message of at most a MiB.
const maxConfigBytes = 960 << 10

// validate returns a fault Invalid when no VM could be given the Config.
func (c Config) validate() error {
	data, err := json.Marshal(c)
	if err == nil && len(data) > maxConfigBytes {
		err = fault.New(fault.Invalid, "the environment and commands in the image's configuration take %s; the limit is %s",
			fault.Bytes(int64(len(data))), fault.Bytes(maxConfigBytes))
	}
	return err
}
