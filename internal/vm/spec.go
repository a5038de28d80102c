package vm

import (
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// SpecFormat and ExitFormat number the files spec.json and exit.json. An older
// format is upgraded when read, a newer one refused.
const (
	SpecFormat = 1
	ExitFormat = 1
)

// Spec is one start's immutable input: all that a monitor knows. It is stored
// as spec.json (mode 0600: it holds the VM's keys). Paths are absolute.
type Spec struct {
	Format  int    `json:"format"`
	VMID    string `json:"vm_id"`
	Name    string `json:"name"`
	StartID string `json:"start_id"` // new for each start

	Driver string `json:"driver"` // its name
	// JailUID is the user and group of the VMM in Firecracker's jailer; 0: without it.
	JailUID     int    `json:"jail_uid,omitempty"`
	VMM         string `json:"vmm"` // the VMM's executable
	VCPU        int    `json:"vcpu"`
	Nested      bool   `json:"nested,omitempty"` // the guest can run VMs on KVM
	MemoryBytes int64  `json:"memory_bytes"`

	Kernel    string `json:"kernel"`    // uncompressed ELF vmlinux
	Initramfs string `json:"initramfs"` // uncompressed newc cpio
	// NoConsole: the guest has no serial console, and the VM no console log.
	NoConsole bool `json:"no_console,omitempty"`
	// CmdlineExtra is appended to the driver's own kernel command line.
	CmdlineExtra string `json:"cmdline_extra,omitempty"`

	Disks []Disk `json:"disks"`
	Guest Guest  `json:"guest"`

	// Network is the guest's NIC and what stands behind it; nil: it has none.
	Network *Network `json:"network,omitempty"`
	// Loopback is the VM's address on the host, 127.x.y.z, where its ports appear.
	// Empty: they do not.
	Loopback string    `json:"loopback,omitempty"`
	Publish  []Publish `json:"publish,omitempty"`
	// Ports says which of the guest's listeners appear there; empty: all.
	Ports PortsMode `json:"ports,omitempty"`

	// Template is a saved machine to go on from; nil: the machine boots.
	Template *Template `json:"template,omitempty"`
	// Saves: the machine is nobody's. Its monitor saves it when its agent waits for an
	// identity, and ends.
	Saves bool `json:"saves,omitempty"`

	// Host is what the start runs on, as a suspended machine must find it again; nil: an older
	// bangerd does not say.
	Host *MachineHost `json:"host,omitempty"`
	// Resume: the VM is suspended, and its machine goes on. It does that or the start fails: nothing
	// boots.
	Resume bool `json:"resume,omitempty"`

	// BeganAt is when bangerd began the start; zero: an older one does not say.
	BeganAt time.Time `json:"began_at,omitzero"`
	// ReadyTimeoutMillis bounds the time from the VMM's start to the guest's Ready.
	ReadyTimeoutMillis int64 `json:"ready_timeout_millis"`
}

// Template is a saved machine, whose files the monitor inherits.
type Template struct {
	Key    string `json:"key"` // names it among all
	Shape  string `json:"shape"`
	TSCKHz int64  `json:"tsc_khz,omitempty"`
}

// Disk is one virtio-blk device, found in the guest by its serial.
type Disk struct {
	Serial   string `json:"serial"`
	Path     string `json:"path"`
	ReadOnly bool   `json:"read_only"`
	// Pin is what the file at Path must be when the VMM starts; nil: whatever is there.
	Pin *Pin `json:"pin,omitempty"`
}

// Pin tells a file from others, and from itself after a change.
type Pin struct {
	Bytes      int64     `json:"bytes"`
	ModifiedAt time.Time `json:"modified_at"`
	Inode      uint64    `json:"inode"`
}

// Serials of the disks. They equal those of the agent protocol; a test in the
// monitor says so.
const (
	SerialImage   = "banger-image"
	SerialVM      = "banger-vm"
	SerialModules = "banger-modules"
)

// Network is the virtual network of one VM, static for one start. Addresses
// that end in 4 and 6 are IPv4 and IPv6; the guest's carry their prefix length.
type Network struct {
	MAC      string `json:"mac"`
	MTU      int    `json:"mtu"`
	Guest4   string `json:"guest4"` // "198.18.7.9/15"
	Guest6   string `json:"guest6"`
	Gateway4 string `json:"gateway4"` // also the DNS server
	Gateway6 string `json:"gateway6"`
	Host4    string `json:"host4"` // stands for the host's loopback
	Host6    string `json:"host6"`
	// Resolvers are upstream DNS servers, "ADDRESS:PORT". Empty: those of the
	// host's resolv.conf at the time.
	Resolvers []string `json:"resolvers,omitempty"`
	// Egress is the policy that the start begins with, as text.
	Egress string `json:"egress"`
}

// Publish leads from a port of the host to one of the guest.
type Publish struct {
	Proto       string `json:"proto"` // "tcp" or "udp"
	HostAddress string `json:"host_address"`
	HostPort    int    `json:"host_port"`
	GuestPort   int    `json:"guest_port"`
}

// Guest is the identity that Configure gives to the booted machine.
type Guest struct {
	Hostname       string   `json:"hostname"`
	MachineID      string   `json:"machine_id"`
	Token          string   `json:"token"`
	HostKey        string   `json:"host_key"`
	AuthorizedKeys []string `json:"authorized_keys"`
	Env            []string `json:"env,omitempty"`
	WorkingDir     string   `json:"working_dir,omitempty"`
	Volumes        []string `json:"volumes,omitempty"`
	User           string   `json:"user,omitempty"`
	Init           InitMode `json:"init"`
	// Program is what the image runs by itself, and StopSignal what asks it to end.
	Program    []string `json:"program,omitempty"`
	StopSignal string   `json:"stop_signal,omitempty"`
	// Entrypoint has the guest's agent run Program. Empty: it does not.
	Entrypoint RestartPolicy `json:"entrypoint,omitempty"`
	// HealthCheck is of Program; nil: its health is not checked.
	HealthCheck *image.HealthCheck `json:"health_check,omitempty"`
	// Reset is for the first boot of a start only: a guest that reboots after
	// it was ready is not reset again.
	Reset bool `json:"reset,omitempty"`
	// Rescue has the guest go on without what fails of its set-up.
	Rescue bool `json:"rescue,omitempty"`
	// Files are placed before the guest is ready.
	Files []File `json:"files,omitempty"`
}

// Public is g without its secrets.
func (g Guest) Public() Guest {
	g.Token, g.HostKey, g.Env, g.Files = "", "", nil, nil
	return g
}

// File is one file of the user's, for a guest. It may hold a secret.
type File struct {
	Path string `json:"path"` // absolute, in the guest
	Mode uint32 `json:"mode"` // permission bits
	Data []byte `json:"data"`
}

// Exit is how one start ended. It is stored as exit.json.
type Exit struct {
	Format  int    `json:"format"`
	StartID string `json:"start_id"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
	Failed  bool   `json:"failed"` // not as anybody asked
	// Problem is why the VMM did not start, with what to do about it; nil: it started, or a
	// monitor of an older build.
	Problem *fault.Problem `json:"problem,omitempty"`
	Boots   int            `json:"boots"` // 1, and one for each reboot
	At      time.Time      `json:"at"`
	// Boot is how far the start came; zero: a monitor of an older build.
	Boot BootTimeline `json:"boot,omitzero"`
}

// hint is what to do about the end, if there is something.
func (e Exit) hint() fault.Hint {
	if e.Problem == nil {
		return nil
	}
	return e.Problem.Fault().Hint
}

// Reasons of an Exit.
const (
	ReasonStopped     = "stopped"          // banger vm stop; the guest went down
	ReasonSuspended   = "suspended"        // banger vm suspend; the machine is on disk
	ReasonForced      = "stopped-hard"     // banger vm stop; the guest did not, in time
	ReasonKilled      = "killed"           // banger vm kill
	ReasonPoweroff    = "guest-poweroff"   // the guest powered off by itself
	ReasonGuestFailed = "guest-failed"     // the agent could not configure the guest, or the guest reset before it was ready
	ReasonNotReady    = "ready-timeout"    // no Ready in time
	ReasonVMMFailed   = "vmm-failed"       // the VMM ended by itself or by a signal
	ReasonMonitorDied = "monitor-died"     // recorded by bangerd: the monitor is gone and left no exit
	ReasonHostRestart = "host-restart"     // recorded by bangerd: the host was booted again
	ReasonStartFailed = "start-failed"     // the monitor could not start the VMM
	ReasonReset       = "too-many-reboots" // the guest reset again and again
)
