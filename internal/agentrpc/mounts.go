package agentrpc

// ModulesDir is where the guest looks for the modules of a kernel, in a directory called
// by its version.
const ModulesDir = "/lib/modules"

// DataDirs are directories of guests that cannot be on an overlay, and are on the VM's disk.
func DataDirs() []string { return []string{"/var/lib/docker", "/var/lib/containerd"} }

// MountPoints are patterns, as path.Match has them, of the directories that the agent mounts
// something at in each guest, and makes where the image lacks them. Where /lib is a link to
// usr/lib, those of the modules are there.
func MountPoints() []string {
	return append(DataDirs(), "/proc", "/sys", "/dev", "/run", ModulesDir+"/*", "/usr"+ModulesDir+"/*")
}
