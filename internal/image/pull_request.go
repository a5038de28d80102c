package image

import (
	"io"

	"github.com/bangervm/banger/internal/fault"
)

// PullRequest asks for an image.
type PullRequest struct {
	Ref    string // a bare name is one of a catalog, or of docker.io
	Name   string // empty: derived from Ref
	Kernel string // default kernel of its VMs; empty: the default one
	// KernelRef is a local kernel, which the image gets for its own. It excludes
	// Kernel.
	KernelRef string
	// DiskBytes is the size of the disk that VMs get by default; 0: as it is, or as
	// configured.
	DiskBytes int64
	// MemoryBytes is what VMs get at least; 0: as configured. A catalog sets it.
	MemoryBytes int64
	// PreferKernel is as in Name. A catalog sets it.
	PreferKernel string
	// Platform is OS/ARCH or OS/ARCH/VARIANT; empty: this host's. An image for another
	// is kept, and no VM starts from it.
	Platform string
	// Replace says that the name may be taken from an image of another digest.
	Replace bool
	Input   io.Reader // the bytes of tar:-
}

// MinDiskBytes is the least disk of a VM.
const MinDiskBytes = 256 << 20

// maxDiskBytes bounds the DiskBytes of a request; what a VM's host has bounds them
// again.
const maxDiskBytes = 1 << 50

func check(req PullRequest) (Ref, string, error) {
	ref, err := ParseRef(req.Ref)
	if err != nil {
		return Ref{}, "", err
	}
	if ref.Platform, err = ParsePlatform(req.Platform); err != nil {
		return Ref{}, "", err
	}
	name := req.Name
	if name == "" {
		name, err = ref.DefaultName()
	} else {
		err = ValidateName(name)
	}
	switch {
	case err != nil:
	case req.Kernel != "" && req.KernelRef != "":
		err = fault.New(fault.Invalid, "the kernels %q and %q were both asked for", req.Kernel, req.KernelRef).WithHint("give one of them")
	case ref.Path == Stdin && req.Input == nil:
		err = fault.New(fault.Invalid, "%s needs the bytes of the image, and the request has none", ref)
	default:
		err = checkDisk(req.DiskBytes)
	}
	return ref, name, err
}

func checkDisk(n int64) error {
	if n != 0 && (n < MinDiskBytes || n > maxDiskBytes) {
		return fault.New(fault.Invalid, "the size of its VMs' disks, %d bytes, is not between %s and %s", n, fault.Bytes(MinDiskBytes), fault.Bytes(maxDiskBytes))
	}
	return nil
}
