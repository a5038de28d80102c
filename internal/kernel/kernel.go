// Package kernel is the catalog of guest kernels: what a kernel is, and how one
// is found in the directory of a distribution's package.
package kernel

import "time"

// ManifestFormat numbers manifest.json. An older format is upgraded when read,
// a newer one refused.
const ManifestFormat = 1

// Manifest describes an imported kernel; it is its manifest.json.
type Manifest struct {
	Format       int       `json:"format"`
	Name         string    `json:"name"`
	Version      string    `json:"version"` // as in /lib/modules/<version>
	Architecture string    `json:"architecture"`
	Source       string    `json:"source"`
	SHA256       string    `json:"sha256"`         // of vmlinux
	Initrd       string    `json:"initrd_sha256"`  // empty: it has none
	ModulesSHA   string    `json:"modules_sha256"` // of modules.ext4; empty: none
	Modules      int       `json:"modules"`
	SizeBytes    int64     `json:"size_bytes"`
	ImportedAt   time.Time `json:"imported_at"`
	// BootModules are the modules the initramfs carries, in the order in which
	// the agent must load them, as file names below boot-modules/.
	BootModules []string `json:"boot_modules"`
}
