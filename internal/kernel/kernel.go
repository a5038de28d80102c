// Package kernel is the catalog of guest kernels: what a kernel is, and how one
// is found in the directory of a distribution's package.
package kernel

import (
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// ManifestFormat numbers manifest.json. An older format is upgraded when read,
// a newer one refused.
const ManifestFormat = 1

// Manifest describes an imported kernel; it is its manifest.json.
type Manifest struct {
	Format       int    `json:"format"`
	Name         string `json:"name"`
	Version      string `json:"version"`      // as in /lib/modules/<version>
	Architecture string `json:"architecture"` // as GOARCH has it
	Source       string `json:"source"`       // the directory it was imported from, or PullSource and a URL
	// Trust says link by link why it is what was published. Empty: it was imported.
	Trust []string `json:"trust,omitempty"`
	// SourceSHA256 is over everything that was taken from Source. Two imports
	// with one SourceSHA256 are the same kernel.
	SourceSHA256 string `json:"source_sha256"`
	SHA256       string `json:"sha256"` // of vmlinux
	// PVH says that an amd64 vmlinux has the PVH entry note, without which
	// QEMU boots no ELF kernel.
	PVH        bool      `json:"pvh,omitempty"`
	Initrd     string    `json:"initrd_sha256"`  // empty: it has none
	ModulesSHA string    `json:"modules_sha256"` // of modules.ext4; empty: none
	Modules    int       `json:"modules"`        // how many modules.ext4 holds
	SizeBytes  int64     `json:"size_bytes"`     // of all its files, as stored on disk
	ImportedAt time.Time `json:"imported_at"`
	// BootModules and LateModules are what the initramfs carries, as file names
	// below boot-modules/, in the order in which the agent must load them: at
	// once, and at Configure.
	BootModules []string `json:"boot_modules"`
	LateModules []string `json:"late_modules"`
	// ModuleDevices holds those of them that only one virtio device needs, with
	// its device ID: see agentrpc.InitramfsModules.
	ModuleDevices map[string]uint32 `json:"module_devices,omitempty"`
	// BootModulesSHA256 is over the names and contents of both.
	BootModulesSHA256 string `json:"boot_modules_sha256"`
	// Problem is a fault that says why the kernel cannot be used; nil: it can, as far as a
	// look at its files tells. What is not known of such a kernel is empty.
	Problem error `json:"-"`
}

// Binary is what a kernel's executable says of itself.
type Binary struct {
	Version      string // uname -r; empty when the file does not say
	Architecture string // as GOARCH has it; empty when unknown
	PVH          bool   // ELF only: it has the PVH entry note
	// Lacks are drivers that each guest needs and that are surely not built in, with commas
	// between. Only Extract tells.
	Lacks string
}

// maxName is the longest kernel name, in bytes.
const maxName = 63

// CheckName refuses what is not a kernel name: 1 to 63 bytes of lower-case
// letters, digits, '.', '_' and '-', beginning and ending with a letter or a
// digit. A kernel's name is also its directory's.
func CheckName(name string) error {
	ok := len(name) > 0 && len(name) <= maxName && !strings.HasSuffix(name, ".staging") &&
		isAlnum(name[0]) && isAlnum(name[len(name)-1])
	for i := range len(name) {
		ok = ok && (isAlnum(name[i]) || strings.IndexByte("._-", name[i]) >= 0)
	}
	if !ok {
		return fault.New(fault.Invalid, "%q is not a kernel name", name).
			WithHint("use at most %d of a-z, 0-9, '.', '_' and '-', with a letter or a digit at both ends", maxName)
	}
	return nil
}

func isAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
