// Package statedir owns every path that banger keeps on disk. Nothing else
// joins a file name to a state directory. docs/on-disk.md describes each file.
package statedir

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Dirs are banger's four directories, all absolute. A Dirs value is only
// names: Ensure makes the directories.
type Dirs struct {
	Config  string // config.toml
	State   string // what must survive: database, kernels, images, VMs, keys
	Cache   string // what can be made again: blobs, initramfs, disk templates
	Runtime string // a link to bangerd's socket; empty: there is no place for one
}

// FromEnv returns the directories by the XDG base directory specification:
// XDG_{CONFIG,STATE,CACHE}_HOME with their defaults under HOME, and
// XDG_RUNTIME_DIR, by default systemd's /run/user/UID. A runtime directory of
// another user, as su leaves it in the environment, counts for nothing.
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
	uid := os.Getuid()
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + strconv.Itoa(uid)} {
		if !filepath.IsAbs(dir) {
			continue
		}
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == uid {
			return filepath.Join(dir, "banger")
		}
	}
	return ""
}

// ConfigFile is the user's configuration; banger never writes it.
func (d Dirs) ConfigFile() string { return filepath.Join(d.Config, "config.toml") }

// Database is bangerd's SQLite database.
func (d Dirs) Database() string { return filepath.Join(d.State, "state.db") }

// Lock is held (flock) by the one bangerd that owns the state.
func (d Dirs) Lock() string { return filepath.Join(d.State, "bangerd.lock") }

// Log is what bangerd prints when a CLI started it.
func (d Dirs) Log() string { return filepath.Join(d.State, "bangerd.log") }

// Run holds the daemon's socket.
func (d Dirs) Run() string { return filepath.Join(d.State, "run") }

// Socket is where bangerd serves its API. It is found whatever the environment
// says of runtime directories, stays when a logout empties those, and no other
// user can stand in its place. It may be longer than a socket's path: dial it
// with DialDaemon.
func (d Dirs) Socket() string { return filepath.Join(d.Run(), "bangerd.sock") }

// Web is what is kept of the web console: its name, and hashes of its sessions.
func (d Dirs) Web() string { return filepath.Join(d.State, "web.json") }

// WebPort is the socket of who keeps the web console's port for the next daemon.
func (d Dirs) WebPort() string { return filepath.Join(d.Run(), "web-port.sock") }

// WebEntry is the page by which a browser is led to the web console.
func (d Dirs) WebEntry() string { return filepath.Join(d.Run(), "web.html") }

// SSH is the directory of banger's own keys and known hosts.
func (d Dirs) SSH() string { return filepath.Join(d.State, "ssh") }

// ClientKey is the user's private key for all guests.
func (d Dirs) ClientKey() string { return filepath.Join(d.SSH(), "id_ed25519") }

// ClientKeyPub is the public half of ClientKey.
func (d Dirs) ClientKeyPub() string { return filepath.Join(d.SSH(), "id_ed25519.pub") }

// KnownHosts lists the guests' host keys, each under its VM's id.
func (d Dirs) KnownHosts() string { return filepath.Join(d.SSH(), "known_hosts") }

// SSHConfig is what the user's SSH configuration includes, once it was asked for.
func (d Dirs) SSHConfig() string { return filepath.Join(d.SSH(), "config") }

// Kernels holds one directory per kernel.
func (d Dirs) Kernels() string { return filepath.Join(d.State, "kernels") }

// Catalogs holds the last good copy of each catalog that the user added.
func (d Dirs) Catalogs() string { return filepath.Join(d.State, "catalogs") }

// Catalog is the copy of the catalog with this id (hex digits).
func (d Dirs) Catalog(id string) string { return filepath.Join(d.Catalogs(), id+".json") }

// Downloads is the cache of what is being downloaded, each file by its hash.
func (d Dirs) Downloads() string { return filepath.Join(d.Cache, "downloads") }

// Packages is the cache of distributions' packages on their way into kernels.
func (d Dirs) Packages() string { return filepath.Join(d.Cache, "packages") }

// Images holds one directory per image.
func (d Dirs) Images() string { return filepath.Join(d.State, "images") }

// VMs holds one directory per VM.
func (d Dirs) VMs() string { return filepath.Join(d.State, "vms") }

// Applies holds one directory for each patch that is being applied to a work
// tree of the user's.
func (d Dirs) Applies() string { return filepath.Join(d.State, "applies") }

// Blobs is the cache of registry blobs, keyed by digest.
func (d Dirs) Blobs() string { return filepath.Join(d.Cache, "oci", "blobs") }

// Initramfs is the cache of initramfs archives.
func (d Dirs) Initramfs() string { return filepath.Join(d.Cache, "initramfs") }

// DiskTemplates is the cache of empty formatted disks, one per size.
func (d Dirs) DiskTemplates() string { return filepath.Join(d.Cache, "disks") }

// Templates is the cache of machines that were saved before they were given an identity.
func (d Dirs) Templates() string { return filepath.Join(d.Cache, "templates") }

// Template is the directory of one saved machine.
type Template string

// Template returns the directory of the saved machine with this key (hex digits).
func (d Dirs) Template(key string) Template { return Template(filepath.Join(d.Templates(), key)) }

// TemplateBuild is where that one is made: the directory of a VM that is in no record.
func (d Dirs) TemplateBuild(key string) VM {
	return VM(filepath.Join(d.Templates(), key+".build"+StagingSuffix))
}

// Manifest is a template.Manifest as JSON.
func (t Template) Manifest() string { return filepath.Join(string(t), "manifest.json") }

// State is what the machine's devices and CPUs were.
func (t Template) State() string { return filepath.Join(string(t), "state") }

// Memory is the guest's memory, without what was never used.
func (t Template) Memory() string { return filepath.Join(string(t), "mem") }

// StagingSuffix ends the name of anything that is not finished. Whatever
// carries it is swept when the daemon starts.
const StagingSuffix = ".staging"

// Kernel is the directory of one kernel.
type Kernel string

// Kernel returns the directory of the kernel called name (a valid kernel name).
func (d Dirs) Kernel(name string) Kernel { return Kernel(filepath.Join(d.Kernels(), name)) }

// Manifest is a kernel.Manifest as JSON.
func (k Kernel) Manifest() string { return filepath.Join(string(k), "manifest.json") }

// Vmlinux is the uncompressed ELF kernel.
func (k Kernel) Vmlinux() string { return filepath.Join(string(k), "vmlinux") }

// Initrd is the distribution's own initrd, kept if it had one.
func (k Kernel) Initrd() string { return filepath.Join(string(k), "initrd.img") }

// Modules is a read-only ext4 with all of the kernel's modules.
func (k Kernel) Modules() string { return filepath.Join(string(k), "modules.ext4") }

// BootModules is the directory with the few modules that the initramfs carries.
func (k Kernel) BootModules() string { return filepath.Join(string(k), "boot-modules") }

// Work is a directory of what an import needs in between. It is only there
// while the kernel is staged.
func (k Kernel) Work() string { return filepath.Join(string(k), "work") }

// Image is the directory of one image.
type Image string

// Image returns the directory of the image with this id.
func (d Dirs) Image(id string) Image { return Image(filepath.Join(d.Images(), id)) }

// Manifest is an image.Manifest as JSON.
func (i Image) Manifest() string { return filepath.Join(string(i), "manifest.json") }

// Rootfs is the image's root filesystem, shared read-only by its VMs.
func (i Image) Rootfs() string { return filepath.Join(string(i), "rootfs.ext4") }

// Layers are the files of the layers that commits added, by the hex digits of their digests.
func (i Image) Layers() string { return filepath.Join(string(i), "layers") }

// Kernel is the image's own kernel, if it has one.
func (i Image) Kernel() Kernel { return Kernel(filepath.Join(string(i), "kernel")) }

// VM is the directory of one VM.
type VM string

// VM returns the directory of the VM with this id.
func (d Dirs) VM(id string) VM { return VM(filepath.Join(d.VMs(), id)) }

// ID is the id of the VM.
func (v VM) ID() string { return filepath.Base(string(v)) }

// Beside is the directory of another VM, with this id.
func (v VM) Beside(id string) VM { return VM(filepath.Join(filepath.Dir(string(v)), id)) }

// Spec is one start's input, a vm.Spec as JSON.
func (v VM) Spec() string { return filepath.Join(string(v), "spec.json") }

// Kernel is the kernel that the VM boots, its own.
func (v VM) Kernel() Kernel { return Kernel(filepath.Join(string(v), "kernel")) }

// Disk is the VM's own writable disk.
func (v VM) Disk() string { return filepath.Join(string(v), "disk.ext4") }

// Console is what the guest prints on its serial console.
func (v VM) Console() string { return filepath.Join(string(v), "console.log") }

// EgressLog is what the guest reached and was denied: a monitorrpc.Record as
// JSON on each line.
func (v VM) EgressLog() string { return filepath.Join(string(v), "egress.log") }

// MonitorLog is what the monitor and the VMM print.
func (v VM) MonitorLog() string { return filepath.Join(string(v), "monitor.log") }

// MonitorLock is locked (flock) by the VM's monitor as long as that lives.
func (v VM) MonitorLock() string { return filepath.Join(v.Run(), "monitor.lock") }

// Exit is how the last start ended, a vm.Exit as JSON.
func (v VM) Exit() string { return filepath.Join(string(v), "exit.json") }

// Identity is what stays the same over the VM's starts: keys and machine id.
func (v VM) Identity() string { return filepath.Join(string(v), "identity.json") }

// Run holds the sockets of a running VM.
func (v VM) Run() string { return filepath.Join(string(v), "run") }

// Saved is where a monitor that is to save its machine leaves it.
func (v VM) Saved() Template { return Template(filepath.Join(string(v), "saved")) }

// Suspended is where the machine of a suspended VM is. It is there as long as nothing else goes on
// with the VM's disk.
func (v VM) Suspended() Suspended { return Suspended(filepath.Join(string(v), "suspended")) }

// Suspended is the directory of one suspended machine.
type Suspended string

// Manifest is a vm.Suspension as JSON.
func (s Suspended) Manifest() string { return filepath.Join(string(s), "manifest.json") }

// Machine is all that the machine is but for its disks, in its VMM's own format.
func (s Suspended) Machine() string { return filepath.Join(string(s), "machine") }

// Staged is where it is written.
func (s Suspended) Staged() Suspended { return s + StagingSuffix }

// Gone is where it is moved before it is removed.
func (s Suspended) Gone() Suspended { return s + ".gone" + StagingSuffix }

// Blank is the file of a disk that a machine has only to be saved with, without content.
func (v VM) Blank(disk int) string { return filepath.Join(string(v), fmt.Sprintf("blank%d", disk)) }

// Room is where the VMM's root is, in the monitor's mount namespace. It is empty for
// everybody else.
func (v VM) Room() string { return filepath.Join(string(v), "room") }

// MonitorSocket is where the VM's monitor serves monitorrpc. A socket's path
// holds at most 107 bytes, and this one may be longer: dial it with DialUnix.
func (v VM) MonitorSocket() string { return filepath.Join(v.Run(), "monitor.sock") }

// VsockSocket is the agent channel, by the hybrid vsock contract. Dial it with
// DialUnix.
func (v VM) VsockSocket() string { return filepath.Join(v.Run(), "vsock.sock") }

// NeighbourSocket is where the monitors of VMs of the same group connect. Dial
// it with DialUnix.
func (v VM) NeighbourSocket() string { return filepath.Join(v.Run(), "neighbour.sock") }

// DiskStaged is what is to be the VM's disk.
func (v VM) DiskStaged() string { return v.Disk() + StagingSuffix }

// Rollback is there while a snapshot takes the place of the disk.
func (v VM) Rollback() string { return filepath.Join(string(v), "rollback.json") }

// Snapshots holds one directory for each snapshot of the VM.
func (v VM) Snapshots() string { return filepath.Join(string(v), "snapshots") }

// Snapshot is the directory of one snapshot.
type Snapshot string

// Snapshot returns the directory of the snapshot with this id.
func (v VM) Snapshot(id string) Snapshot { return Snapshot(filepath.Join(v.Snapshots(), id)) }

// Staged is the snapshot while it is not finished.
func (s Snapshot) Staged() Snapshot { return s + StagingSuffix }

// Manifest is a snapshot.Snapshot as JSON.
func (s Snapshot) Manifest() string { return filepath.Join(string(s), "manifest.json") }

// Disk is what the VM's disk was.
func (s Snapshot) Disk() string { return filepath.Join(string(s), "disk.ext4") }

// Workspace is what was known of the VM's workspace, with its vault.
func (s Snapshot) Workspace() string { return filepath.Join(string(s), "workspace") }

// Workspaces holds the vaults of the VM: repositories of banger's own with what
// was sent to the guest, and what came back.
func (v VM) Workspaces() string { return filepath.Join(string(v), "workspaces") }

// Vault is one vault, a bare git repository.
func (v VM) Vault(name string) string { return filepath.Join(v.Workspaces(), name+".git") }

// Exports holds the file of the last export.
func (v VM) Exports() string { return filepath.Join(string(v), "exports") }

// Export is the file of one export.
func (v VM) Export(id string) string { return filepath.Join(v.Exports(), id) }
