package agentrpc

// Paths in the initramfs.
const (
	InitramfsModulesFile = "/banger/modules.json" // an InitramfsModules
	InitramfsModulesDir  = "/banger/modules"      // the modules it names
)

// InitramfsModules says which kernel modules the initramfs carries, as file
// names in InitramfsModulesDir, each list in the order in which its modules
// must be loaded. What is built into the kernel is in neither.
type InitramfsModules struct {
	Version string   `json:"version"` // of the kernel, as in /lib/modules/<version>
	Boot    []string `json:"boot"`    // loaded at once: what reaching the host needs
	Late    []string `json:"late"`    // loaded by Configure: disks, filesystems, network
	// Devices holds the modules that only drivers of one virtio device need,
	// with its device ID (virtio 1.2, section 5). Without such a device on the
	// bus they need not be loaded.
	Devices map[string]uint32 `json:"devices,omitempty"`
}
