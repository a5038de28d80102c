package api

import "time"

// Image is an image that VMs can be created from.
type Image struct {
	ID           string    `json:"id"`
	Name         string    `json:"name" doc:"empty: it has none; an image with several names is listed once for each"`
	Ref          string    `json:"ref" doc:"where it came from"`
	Digest       string    `json:"digest" doc:"of the manifest, or of the tar"`
	Architecture string    `json:"architecture"`
	Variant      string    `json:"variant" doc:"of the architecture, where the platform was asked for"`
	OS           string    `json:"os"`
	Foreign      bool      `json:"foreign" doc:"it is for another architecture than this host's, so that no VM starts from it"`
	RootfsBytes  int64     `json:"rootfs_bytes" doc:"apparent size of rootfs.ext4"`
	DiskUsage    int64     `json:"disk_usage_bytes" doc:"space used on the host's disk, its own kernel and layers included"`
	Entrypoint   []string  `json:"entrypoint"`
	Cmd          []string  `json:"cmd"`
	Env          []string  `json:"env"`
	WorkingDir   string    `json:"working_dir"`
	User         string    `json:"user"`
	StopSignal   string    `json:"stop_signal" doc:"the signal that asks its program to end; empty: TERM"`
	ExposedPorts []string  `json:"exposed_ports" doc:"the ports its program listens on, as 80/tcp"`
	Volumes      []string  `json:"volumes" doc:"the directories for data that its VMs have"`
	HealthCheck  []string  `json:"health_check" doc:"the command that tells whether its program does its work; empty: none does"`
	HealthEvery  int64     `json:"health_interval_ms" doc:"from the end of a check to the next"`
	Kernel       string    `json:"kernel" doc:"the kernel its VMs get unless they name one"`
	OwnKernel    bool      `json:"own_kernel" doc:"the image has a copy of that kernel, which may be gone or replaced"`
	MemoryBytes  int64     `json:"vm_memory_bytes" doc:"the memory its VMs get at least unless they name a size; 0: as configured"`
	DiskBytes    int64     `json:"vm_disk_bytes" doc:"the disk its VMs get unless they name a size; 0: as configured"`
	External     string    `json:"external" doc:"the user's own file that has its root filesystem; empty: banger has it"`
	Damaged      bool      `json:"damaged" doc:"its files or its manifest are missing or have changed, as far as a look tells; what is not known of it is empty"`
	Problem      string    `json:"problem" doc:"why VMs cannot start from it; empty: a look at its file finds nothing"`
	VMs          int       `json:"vms" doc:"how many VMs use it"`
	CreatedAt    time.Time `json:"created_at"`
}

// RepairedImage is an image, and what a repair did.
type RepairedImage struct {
	Image
	Changed    bool   `json:"changed" doc:"something was wrong"`
	LostLayers int    `json:"lost_layers" doc:"how many layers of vm commit the image no longer has"`
	Lost       string `json:"lost" doc:"which of them was not whole, and why"`
}

// RegisterImage asks for an image whose root filesystem is a file of the user's, which
// stays where it is. Paths are absolute. Kernel, Initrd and Modules are copied.
type RegisterImage struct {
	Name      string `json:"name"`
	Rootfs    string `json:"rootfs" doc:"an ext4 that is not mounted anywhere"`
	Kernel    string `json:"kernel,omitempty" doc:"a vmlinux, a bzImage or an arm64 Image"`
	Initrd    string `json:"initrd,omitempty"`
	Modules   string `json:"modules,omitempty" doc:"a directory as /lib/modules/VERSION"`
	KernelRef string `json:"kernel_ref,omitempty" doc:"a local kernel, which is copied into the image; not with kernel"`
	DiskBytes int64  `json:"disk_bytes,omitempty" doc:"the disk its VMs get unless they name a size; 0: as configured"`
	Replace   bool   `json:"replace,omitempty" doc:"the name may be taken from another image"`
}

// ArchiveLayersHeader is on an image's archive: its ArchiveLayers as JSON.
const ArchiveLayersHeader = "Banger-Layers"

// ArchiveDigestHeader is on an image's archive: sha256:… of the manifest in it.
const ArchiveDigestHeader = "Banger-Digest"

// ArchiveLayers is how many layers an image's archive has, by where they come from.
type ArchiveLayers struct {
	Pulled    int `json:"pulled"`    // as they were pulled
	Merged    int `json:"merged"`    // made of all files of the image, or of the base of a committed one
	Committed int `json:"committed"` // added by vm commit
	// Lost is why a layer that is here is not in the archive: it is not whole.
	Lost string `json:"lost,omitempty"`
}

// TagImage asks for another name of an image.
type TagImage struct {
	Name    string `json:"name"`
	Replace bool   `json:"replace,omitempty" doc:"the name may be taken from another image"`
}

// AvailableImage is an image of a catalog.
type AvailableImage struct {
	Name         string `json:"name"`
	State        string `json:"state" enum:"pulled,taken,available,unavailable"`
	Ref          string `json:"ref" doc:"the registry reference; empty: there is none"`
	Digest       string `json:"digest" doc:"what the reference must be; empty: whatever the tag stands for"`
	Make         string `json:"make" doc:"how to get an image that is in no registry"`
	Kernel       string `json:"kernel" doc:"the kernel its VMs get unless they name one; empty: the default one"`
	PreferKernel string `json:"prefer_kernel" doc:"the kernel its VMs get if it is local and nothing names another; empty: none"`
	MemoryBytes  int64  `json:"vm_memory_bytes" doc:"the memory its VMs get at least unless they name a size; 0: as configured"`
	DiskBytes    int64  `json:"vm_disk_bytes" doc:"the disk its VMs get unless they name a size; 0: as configured"`
	Description  string `json:"description"`
	Catalog      string `json:"catalog" doc:"the catalog's URL; empty: built in"`
}

// AvailableImages are the images of all catalogs.
type AvailableImages struct {
	Items    []AvailableImage `json:"items"`
	Problems []string         `json:"problems" doc:"why a catalog is left out, or an older copy of it used"`
}

// PullImage asks for an image. Ref is as in the CLI: a name in a catalog, a registry reference,
// oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, tar:FILE (absolute
// paths), or tar:- with the bytes sent to PUT /v1/operations/{id}/input.
type PullImage struct {
	Ref  string `json:"ref"`
	Name string `json:"name,omitempty"`
	// Kernel is the name of the kernel that its VMs get, found when they are created.
	Kernel string `json:"kernel,omitempty" doc:"the name of the kernel that its VMs get, found when they are created"`
	// KernelRef is a local kernel, which is copied into the image.
	KernelRef string `json:"kernel_ref,omitempty" doc:"a local kernel, which is copied into the image; not with kernel"`
	DiskBytes int64  `json:"disk_bytes,omitempty" doc:"the disk its VMs get unless they name a size; 0: as it is, or as configured"`
	Platform  string `json:"platform,omitempty" doc:"OS/ARCH or OS/ARCH/VARIANT, as linux/arm64; empty: this host's. No VM starts from an image for another architecture"`
	Replace   bool   `json:"replace,omitempty" doc:"move the name from an image with another digest"`
}

// CommitVM makes an image of a stopped VM.
type CommitVM struct {
	Image   string `json:"image" doc:"the name of the new image"`
	Replace bool   `json:"replace,omitempty" doc:"take the name from another image"`
}

// Kernel is a kernel that VMs can boot.
type Kernel struct {
	Name         string    `json:"name"`
	Version      string    `json:"version"`
	Architecture string    `json:"architecture"`
	Source       string    `json:"source"`
	SHA256       string    `json:"sha256" doc:"of vmlinux"`
	SizeBytes    int64     `json:"size_bytes" doc:"of all its files"`
	Modules      int       `json:"modules"`
	HasInitrd    bool      `json:"has_initrd"`
	ImportedAt   time.Time `json:"imported_at"`
	VMs          int       `json:"vms" doc:"how many VMs use it"`
	Trust        []string  `json:"trust" doc:"step by step, how it was verified as what was published; empty: it was imported"`
	Damaged      bool      `json:"damaged" doc:"its files are missing or have changed, as far as a look tells; what is not known of it is empty"`
	Problem      string    `json:"problem" doc:"why no VM can be made with it; empty: a look at its files finds nothing"`
}

// AvailableKernel is a kernel of a catalog.
type AvailableKernel struct {
	Name         string `json:"name"`
	State        string `json:"state" enum:"pulled,imported,available,unavailable"`
	Needs        string `json:"needs,omitempty" doc:"the distribution that an unavailable one needs"`
	Distro       string `json:"distro"`
	Architecture string `json:"architecture"`
	Version      string `json:"version" doc:"of the local kernel, or what the catalog says"`
	Description  string `json:"description"`
	SizeBytes    int64  `json:"size_bytes" doc:"download size; approximate for a package"`
	From         string `json:"from" doc:"a URL, perhaps relative to the catalog's, or apt:PACKAGE"`
	Catalog      string `json:"catalog" doc:"the catalog's URL; empty: built in"`
}

// AvailableKernels are the kernels of all catalogs.
type AvailableKernels struct {
	Items    []AvailableKernel `json:"items"`
	Problems []string          `json:"problems" doc:"why a catalog is skipped, or an older copy of it used"`
}

// PullKernel takes a kernel from a catalog.
type PullKernel struct {
	Name  string `json:"name"`
	Force bool   `json:"force,omitempty" doc:"replace a kernel with this name"`
}

// DeletedKernel says who used a kernel that is deleted.
type DeletedKernel struct {
	KeptBy []string `json:"kept_by" doc:"VMs and images that keep their own copies, as in \"VM web\""`
}

// ImportKernel takes a kernel from a directory of the host (absolute path).
type ImportKernel struct {
	Name string `json:"name"`
	From string `json:"from"`
}
