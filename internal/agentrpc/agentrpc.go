// Package agentrpc is what the host and the agent in a guest say to each
// other. The host speaks this version of the protocol and the one before, so
// that an upgrade leaves running guests alone.
//
// Three things listen on the agent channel:
//
//   - the host, on ControlPort: the agent dials it once it is up. On that
//     stream both sides send one JSON object a line: HostMessage from the host,
//     GuestMessage from the agent. The host answers Hello with Configure.
//   - the agent, on APIPort: HTTP/1.1, authorised by "Authorization: Bearer
//     TOKEN" (except /healthz).
//   - the agent, on SSHPort: SSH (exec, PTY, SFTP, direct-tcpip), by public key.
//
// Nothing a guest sends is trusted: see MaxLine, MaxFrame.
package agentrpc

import "time"

// Version is the protocol this build speaks; MinVersion is the oldest that it
// still understands.
const (
	Version    = 3 // since 2, Ready echoes Configure's Generation; since 3, the agent knows Resumed
	MinVersion = 1
)

// Ports of the agent channel.
const (
	ControlPort = 1024 // host listens
	APIPort     = 1025 // agent listens
	SSHPort     = 1026 // agent listens
)

// MaxLine bounds one JSON line on the control stream, in bytes.
const MaxLine = 1 << 20

// BulkWrite is how many bytes of a stream go best with one write, where the
// channel is a serial port: what fits into 64 KiB beside that layer's own header.
const BulkWrite = 64<<10 - 12

// HostMessage is one line from the host. Exactly one field is set.
type HostMessage struct {
	Configure *Configure `json:"configure,omitempty"`
	Shutdown  *Shutdown  `json:"shutdown,omitempty"`
	SetClock  *SetClock  `json:"set_clock,omitempty"`
	// Resumed is the answer to the Hello of a configured guest whose machine was suspended. Since
	// version 3.
	Resumed *Resumed `json:"resumed,omitempty"`
}

// GuestMessage is one line from the agent. Exactly one field is set.
type GuestMessage struct {
	Hello     *Hello     `json:"hello,omitempty"`
	Stage     *Stage     `json:"stage,omitempty"`
	Ready     *Ready     `json:"ready,omitempty"`
	Failed    *Failed    `json:"failed,omitempty"`
	GoingDown *GoingDown `json:"going_down,omitempty"`
	Listening *Listening `json:"listening,omitempty"`
	// Entrypoint is sent at each change, and behind Ready.
	Entrypoint *Entrypoint `json:"entrypoint,omitempty"`
	// EntrypointHealth is sent at each change, and behind Entrypoint.
	EntrypointHealth *EntrypointHealth `json:"entrypoint_health,omitempty"`
}

// Hello is the agent's first line on every control stream; when it is configured
// already, Ready follows at once. Configured tells a
// reconnecting agent (or a restored machine) from a fresh boot.
type Hello struct {
	Protocol   int    `json:"protocol"`
	Build      string `json:"build"`
	Kernel     string `json:"kernel"`
	Configured bool   `json:"configured"`
}

// Stage says which step of Configure has begun.
type Stage struct {
	Name string `json:"name"`
}

// Ready says that the guest is configured and serves. Init names what PID 1 is:
// "agent", "systemd", "sysvinit", "openrc", "runit", "busybox", "s6", "unknown".
type Ready struct {
	Init string `json:"init"`
	// Generation is that of the Configure that the guest was given: its clock,
	// randomness and identity are that one's, and no others'.
	Generation string `json:"generation,omitempty"`
	// BootID is the kernel's. It is read after Configure: the kernel makes it at the first
	// reading, and machines that were restored from one saved machine are not to share it.
	BootID string `json:"boot_id,omitempty"`
	// UptimeMillis is the guest's clock since its kernel started.
	UptimeMillis int64 `json:"uptime_millis"`
	// ConfiguredMicros is how long ago the guest had done what Configure asks, before it
	// became what it is: 0: not known.
	ConfiguredMicros int64 `json:"configured_micros,omitempty"`
	// Notes say what the guest does without, and why: at most MaxNotes.
	Notes []string `json:"notes,omitempty"`
}

// MaxNotes bounds the notes of a Ready; MaxNote each of them, in bytes.
const (
	MaxNotes = 16
	MaxNote  = 256
)

// Failed says that Configure failed at a stage; the guest then powers off.
type Failed struct {
	Stage   string `json:"stage"`
	Message string `json:"message"`
}

// DownKind is how a guest is going down.
type DownKind string

// The ways down.
const (
	DownPoweroff DownKind = "poweroff"
	DownReboot   DownKind = "reboot"
)

// GoingDown is sent before the guest's kernel stops or resets.
type GoingDown struct {
	Kind DownKind `json:"kind"`
}

// Shutdown asks the guest to go down in its init's own way.
type Shutdown struct {
	Kind DownKind `json:"kind"`
}

// SetClock sets the guest's wall clock (after resume or restore).
type SetClock struct {
	UnixNano int64 `json:"unix_nano"`
}

// Resumed gives a guest whose machine was suspended what it missed. The agent answers with a Ready
// that has the Generation, or with Failed.
type Resumed struct {
	// Generation takes the place of Configure's.
	Generation string `json:"generation"`
	UnixNano   int64  `json:"unix_nano"` // the host's wall clock when it was sent
	Entropy    []byte `json:"entropy"`   // as Configure's
}

// Configure gives an anonymously booted machine its identity.
type Configure struct {
	// Generation is random, and new for each boot or restored machine. A guest whose Ready
	// has another one is not ready.
	Generation string `json:"generation,omitempty"`

	Hostname  string `json:"hostname"`
	MachineID string `json:"machine_id"` // 32 lower-case hex digits
	UnixNano  int64  `json:"unix_nano"`  // the host's wall clock when it was sent
	Entropy   []byte `json:"entropy"`    // mixed into the guest's pool, credited; the generator starts anew with it

	Disks Disks `json:"disks"`
	Init  Init  `json:"init"`

	Token          string   `json:"token"`           // for the agent's HTTP API
	HostKey        string   `json:"host_key"`        // OpenSSH private key, PEM, of this VM
	AuthorizedKeys []string `json:"authorized_keys"` // authorized_keys lines

	// Env is the environment of commands run in the guest: the image's, then
	// the VM's, each "K=V".
	Env []string `json:"env,omitempty"`
	// WorkingDir is the image's, for commands that name none, and made if it is
	// missing. Empty means "/".
	WorkingDir string `json:"working_dir,omitempty"`
	// Volumes are the image's directories for data, made where they are missing.
	// An agent of before 0.1 makes none.
	Volumes []string `json:"volumes,omitempty"`
	// User is who runs commands that name nobody: "name", "uid", "uid:gid". Empty: root.
	// An agent of before 0.1 takes root always.
	User string `json:"user,omitempty"`

	// Program is what the image runs by itself.
	Program Program `json:"program,omitzero"`

	// EndsByReset says that the machine ends only when the guest resets it: a guest
	// that powers off resets it instead. An older agent halts it, which the host sees later.
	EndsByReset bool `json:"ends_by_reset,omitempty"`

	Files   []File   `json:"files,omitempty"`
	Network *Network `json:"network,omitempty"`
}

// Disks names the guest's block devices by virtio serial, which does not
// depend on the order of probing.
type Disks struct {
	Image   string `json:"image"`             // read-only ext4, the image's root
	VM      string `json:"vm"`                // read-write ext4, this VM's own
	Modules string `json:"modules,omitempty"` // read-only ext4, /lib/modules/<version>
}

// Virtio serials of the disks (at most 20 bytes each, by the virtio spec).
const (
	SerialImage   = "banger-image"
	SerialVM      = "banger-vm"
	SerialModules = "banger-modules"
)

// InitMode says what PID 1 should become.
type InitMode string

// The init modes.
const (
	InitAuto  InitMode = "auto"
	InitImage InitMode = "image"
	InitAgent InitMode = "agent"
)

// Init says how to enter the image.
type Init struct {
	Mode InitMode `json:"mode"`
	// Reset clears the system part of the VM disk before it is mounted
	// (vm reset), keeping /root, /home and the volumes.
	Reset bool `json:"reset,omitempty"`
	// Rescue enters whatever of the guest can be mounted, with the agent as PID 1,
	// and goes on without what fails.
	Rescue bool `json:"rescue,omitempty"`
}

// File is placed in the guest before it is ready.
type File struct {
	Path string `json:"path"` // absolute
	Mode uint32 `json:"mode"` // permission bits
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Data []byte `json:"data"`
}

// Network is the guest's static network configuration. Nil means no NIC.
type Network struct {
	MAC      string   `json:"mac"`
	Address  []string `json:"address"` // CIDR, IPv4 and IPv6
	Gateway  []string `json:"gateway"`
	DNS      []string `json:"dns"`
	Search   []string `json:"search,omitempty"`
	MTU      int      `json:"mtu"`
	Hostname string   `json:"hostname,omitempty"`
}

// Health is the body of GET /healthz.
type Health struct {
	Protocol int       `json:"protocol"`
	Build    string    `json:"build"`
	Ready    bool      `json:"ready"`
	Init     string    `json:"init"`
	BootID   string    `json:"boot_id"`
	Uptime   float64   `json:"uptime_seconds"`
	Now      time.Time `json:"now"`
	Load1    float64   `json:"load1"`
	MemTotal int64     `json:"mem_total_bytes"`
	MemAvail int64     `json:"mem_available_bytes"`
	DiskSize int64     `json:"disk_size_bytes"`
	DiskFree int64     `json:"disk_free_bytes"`
	// CPUSeconds is the time that the guest's CPUs were busy since its boot, summed
	// over them. Zero: the agent is older than this field.
	CPUSeconds float64 `json:"cpu_seconds,omitempty"`
}

// Paths of the agent's HTTP API.
const (
	PathHealth = "/healthz"
	PathExec   = "/v1/exec"   // POST with Upgrade: see ExecProtocol
	PathDial   = "/v1/dial"   // POST with Upgrade: see DialProtocol
	PathSocket = "/v1/socket" // GET, answers Owner
)
