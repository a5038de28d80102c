// Package statedir owns every path that banger keeps on disk. Nothing else
// joins a file name to a state directory. docs/on-disk.md describes each file.
package statedir

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Dirs are banger's four directories, all absolute. A Dirs value is only
// names: Ensure makes the directories.
type Dirs struct {
	Config  string // config.toml
	State   string // what must survive: database, kernels, images, VMs, keys
	Cache   string // what can be made again: blobs, initramfs, disk templates
	Runtime string // bangerd's socket
}

// FromEnv returns the directories by the XDG base directory specification:
// XDG_{CONFIG,STATE,CACHE}_HOME with their defaults under HOME, and
// XDG_RUNTIME_DIR, or /tmp/banger-<uid> where that is unset or unusable.
func FromEnv() (Dirs, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return Dirs{}, fmt.Errorf("find the home directory: %w", err)
	}
	xdg := func(key, fallback string) string {
		if dir := os.Getenv(key); filepath.IsAbs(dir) {
			return filepath.Join(dir, "banger")
		}
		return filepath.Join(home, fallback, "banger")
	}
	return Dirs{
		Config:  xdg("XDG_CONFIG_HOME", ".config"),
		State:   xdg("XDG_STATE_HOME", ".local/state"),
		Cache:   xdg("XDG_CACHE_HOME", ".cache"),
		Runtime: runtimeDir(),
	}, nil
}

func runtimeDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return filepath.Join(dir, "banger")
		}
	}
	return filepath.Join(os.TempDir(), "banger-"+strconv.Itoa(os.Getuid()))
}

// Files outside the per-thing directories.
func (d Dirs) ConfigFile() string { return filepath.Join(d.Config, "config.toml") }
func (d Dirs) Database() string   { return filepath.Join(d.State, "state.db") }
func (d Dirs) Lock() string       { return filepath.Join(d.State, "bangerd.lock") }
func (d Dirs) Log() string        { return filepath.Join(d.State, "bangerd.log") }
func (d Dirs) Socket() string     { return filepath.Join(d.Runtime, "bangerd.sock") }

// SSH keys and known hosts of banger's own.
func (d Dirs) SSH() string           { return filepath.Join(d.State, "ssh") }
func (d Dirs) ClientKey() string     { return filepath.Join(d.SSH(), "id_ed25519") }
func (d Dirs) ClientKeyPub() string  { return filepath.Join(d.SSH(), "id_ed25519.pub") }
func (d Dirs) KnownHosts() string    { return filepath.Join(d.SSH(), "known_hosts") }
func (d Dirs) Kernels() string       { return filepath.Join(d.State, "kernels") }
func (d Dirs) Images() string        { return filepath.Join(d.State, "images") }
func (d Dirs) VMs() string           { return filepath.Join(d.State, "vms") }
func (d Dirs) Blobs() string         { return filepath.Join(d.Cache, "oci", "blobs") }
func (d Dirs) Initramfs() string     { return filepath.Join(d.Cache, "initramfs") }
func (d Dirs) DiskTemplates() string { return filepath.Join(d.Cache, "disks") }

// StagingSuffix ends the name of anything that is not finished. Whatever
// carries it is swept when the daemon starts.
const StagingSuffix = ".staging"

// Kernel is the directory of one kernel.
type Kernel string

// Kernel returns the directory of the kernel called name (a valid kernel name).
func (d Dirs) Kernel(name string) Kernel { return Kernel(filepath.Join(d.Kernels(), name)) }

func (k Kernel) Manifest() string { return filepath.Join(string(k), "manifest.json") }
func (k Kernel) Vmlinux() string  { return filepath.Join(string(k), "vmlinux") }
func (k Kernel) Initrd() string   { return filepath.Join(string(k), "initrd.img") }
func (k Kernel) Modules() string  { return filepath.Join(string(k), "modules.ext4") }

// BootModules is the directory with the few modules that the initramfs carries.
func (k Kernel) BootModules() string { return filepath.Join(string(k), "boot-modules") }

// Image is the directory of one image.
type Image string

// Image returns the directory of the image with this id.
func (d Dirs) Image(id string) Image { return Image(filepath.Join(d.Images(), id)) }

func (i Image) Manifest() string { return filepath.Join(string(i), "manifest.json") }
func (i Image) Rootfs() string   { return filepath.Join(string(i), "rootfs.ext4") }

// VM is the directory of one VM.
type VM string

// VM returns the directory of the VM with this id.
func (d Dirs) VM(id string) VM { return VM(filepath.Join(d.VMs(), id)) }

func (v VM) Spec() string       { return filepath.Join(string(v), "spec.json") }
func (v VM) Disk() string       { return filepath.Join(string(v), "disk.ext4") }
func (v VM) Console() string    { return filepath.Join(string(v), "console.log") }
func (v VM) MonitorLog() string { return filepath.Join(string(v), "monitor.log") }
func (v VM) Exit() string       { return filepath.Join(string(v), "exit.json") }
func (v VM) Identity() string   { return filepath.Join(string(v), "identity.json") }
func (v VM) Run() string        { return filepath.Join(string(v), "run") }

// The sockets are named relative to Run, because a unix socket's path holds at
// most 107 bytes: dial them with DialUnix.
func (v VM) MonitorSocket() string { return filepath.Join(v.Run(), "monitor.sock") }
func (v VM) VsockSocket() string   { return filepath.Join(v.Run(), "vsock.sock") }
