package image

import (
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Entry is an image in a catalog.
type Entry struct {
	Name string `json:"name"`
	// Ref is a reference to a registry's image. It is empty where there is none, and
	// Make says how to get the image.
	Ref  string `json:"ref,omitempty"`
	Make string `json:"make,omitempty"`
	// Digest is sha256:… of what Ref must be; empty: whatever the tag stands for.
	Digest string `json:"digest,omitempty"`
	// Arch are the architectures that there are, as GOARCH has them; empty: any.
	Arch []string `json:"arch,omitempty"`
	// Kernel is a kernel of a catalog, for its VMs; empty: the default one.
	Kernel string `json:"kernel,omitempty"`
	// PreferKernel is a kernel that suits its VMs, which boot it if it is local and nothing
	// else is asked for; empty: none. It excludes Kernel.
	PreferKernel string `json:"prefer_kernel,omitempty"`
	// MemoryBytes is what its VMs get at least, and DiskBytes their disk, unless the
	// user names a size; 0: as configured.
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	DiskBytes   int64  `json:"disk_bytes,omitempty"`
	Description string `json:"description"`
}

// The bounds of what an entry may say: its VMs' memory in bytes, and its texts.
const (
	maxMemoryBytes = 1 << 40
	maxText        = 200
)

// Key implements catalog.Entry.
func (e Entry) Key() string { return e.Name }

// Validate implements catalog.Entry.
func (e Entry) Validate(string) error {
	if err := ValidateName(e.Name); err != nil {
		return err
	}
	bad := func(what, value string) error {
		return fault.New(fault.Invalid, "image %s: its %s %q is not valid", e.Name, what, value)
	}
	for what, text := range map[string]string{"description": e.Description, "make": e.Make} {
		if len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad(what, text)
		}
	}
	switch {
	case (e.Ref == "") == (e.Make == ""):
		return fault.New(fault.Invalid, "image %s has not exactly one of ref and make", e.Name)
	case e.Digest != "" && (!ValidDigest(e.Digest) || e.Ref == "" || strings.Contains(e.Ref, "@")):
		return bad("digest", e.Digest)
	case e.Kernel != "" && ValidateName(e.Kernel) != nil:
		return bad("kernel", e.Kernel)
	case e.PreferKernel != "" && (ValidateName(e.PreferKernel) != nil || e.Kernel != ""):
		return bad("prefer_kernel", e.PreferKernel)
	case e.MemoryBytes < 0 || e.MemoryBytes > maxMemoryBytes:
		return fault.New(fault.Invalid, "image %s: its memory of %d bytes is not between 0 and %s", e.Name, e.MemoryBytes, fault.Bytes(maxMemoryBytes))
	}
	if err := checkDisk(e.DiskBytes); err != nil || e.Ref == "" {
		return err
	}
	if ref, err := ParseRef(e.reference()); err != nil || ref.Kind != Registry {
		return bad("ref", e.Ref)
	}
	return nil
}

// reference is Ref with the Digest.
func (e Entry) reference() string {
	if e.Digest == "" {
		return e.Ref
	}
	return e.Ref + "@" + e.Digest
}

// fits reports whether there is an image for the architecture.
func (e Entry) fits(arch string) bool { return len(e.Arch) == 0 || slices.Contains(e.Arch, arch) }

// complete makes a request for the entry's name one for its image. What the request
// says counts.
func (e Entry) complete(req PullRequest) PullRequest {
	req.Ref = e.reference()
	if req.Name == "" {
		req.Name = e.Name
	}
	if req.Kernel == "" && req.KernelRef == "" {
		req.Kernel = e.Kernel
	}
	if req.DiskBytes == 0 {
		req.DiskBytes = e.DiskBytes
	}
	req.MemoryBytes, req.PreferKernel = e.MemoryBytes, e.PreferKernel
	return req
}
