// Package api is the wire: what bangerd and its clients exchange as JSON over
// HTTP on bangerd.sock, all under /v1. api/openapi.yaml is generated from it.
// Times are RFC 3339 UTC; sizes are bytes.
package api

import (
	"encoding/json"
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Version is the API's major version, as in the path prefix.
const Version = "v1"

// Problem is the body of every error answer.
type Problem struct {
	Code    string `json:"code" enum:"not_found,conflict,invalid,busy,unavailable,permission_denied,canceled,internal" doc:"what programs act on"`
	Message string `json:"message" doc:"what went wrong, with the value"`
	Hint    string `json:"hint,omitempty" doc:"what to do next, as text"`
	// HintParts are there when the hint proposes acts.
	HintParts fault.Hint `json:"hint_parts,omitempty" doc:"the hint in parts: texts, and acts that a client words in its own terms"`
}

// ProblemOf is the problem that a fault is for a client.
func ProblemOf(code fault.Code, message string, hint fault.Hint) Problem {
	p := Problem{Code: string(code), Message: fault.Clip(message)}
	p.Hint, p.HintParts = hint.Wire()
	return p
}

// Fault is the fault that the problem tells of.
func (p Problem) Fault() *fault.Error {
	return &fault.Error{Code: fault.Code(p.Code), Message: p.Message, Hint: fault.FromWire(p.Hint, p.HintParts)}
}

// Ping identifies the daemon.
type Ping struct {
	Protocol     int       `json:"protocol" doc:"the wire behaviour this daemon speaks"`
	Version      string    `json:"version"`
	Commit       string    `json:"commit"`
	BuiltAt      time.Time `json:"built_at"`
	PID          int       `json:"pid"`
	StartedAt    time.Time `json:"started_at"`
	StateDir     string    `json:"state_dir"`
	Driver       string    `json:"driver" doc:"the driver that a VM started now would get"`
	VMs          int       `json:"vms" doc:"VMs that exist"`
	Running      int       `json:"running" doc:"VMs that run"`
	Busy         int       `json:"busy" doc:"operations under way"`
	RSSBytes     int64     `json:"rss_bytes"`
	Names        string    `json:"names" doc:"ADDRESS:PORT where this daemon answers DNS for .vm; empty: it does not"`
	NamesProblem string    `json:"names_problem,omitempty" doc:"why it does not, though it should"`
}

// VM is a virtual machine.
type VM struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	State       string            `json:"state" enum:"stopped,starting,running,paused,stopping,failed"`
	Image       string            `json:"image"`
	ImageID     string            `json:"image_id"`
	Kernel      string            `json:"kernel"`
	VCPU        int               `json:"vcpu"`
	MemoryBytes int64             `json:"memory_bytes"`
	DiskBytes   int64             `json:"disk_bytes"`
	Driver      string            `json:"driver"`
	Init        string            `json:"init" enum:"auto,image,agent"`
	Env         []string          `json:"env"`
	Labels      map[string]string `json:"labels"`
	Protected   bool              `json:"protected" doc:"it is not deleted until that is taken back"`
	Address     string            `json:"address" doc:"on this host: 127.x.y.z, where its ports appear"`
	Network     string            `json:"network" enum:"user,none"`
	GuestIP     string            `json:"guest_ip" doc:"in its virtual network; empty without one"`
	Egress      string            `json:"egress" doc:"the policy, as text; a preset's name when it is one"`
	Publish     []Publish         `json:"publish"`
	Ports       string            `json:"ports" doc:"which listeners of the guest appear on the host by themselves: all, shared (those that are not bound to its loopback) or none"`
	ExitReason  string            `json:"exit_reason"`
	ExitMessage string            `json:"exit_message"`
	CreatedAt   time.Time         `json:"created_at"`
	StartedAt   *time.Time        `json:"started_at"`
	StoppedAt   *time.Time        `json:"stopped_at"`
	// Workspace is there once one was prepared.
	Workspace *Workspace `json:"workspace,omitempty"`
	// Runtime is known while the VM is alive, in GET /v1/vms/{name} only.
	Runtime *VMRuntime `json:"runtime,omitempty"`
}

// VMRuntime is what the monitor of a living VM says.
type VMRuntime struct {
	MonitorPID int        `json:"monitor_pid"`
	VMMPID     int        `json:"vmm_pid"`
	Monitor    string     `json:"monitor_build"`
	Agent      string     `json:"agent_build"`
	Phase      string     `json:"phase"`
	GuestInit  string     `json:"guest_init"`
	Boots      int        `json:"boots"`
	Warning    string     `json:"warning"`
	Notes      []string   `json:"notes" doc:"what the guest does without, and why"`
	ReadyAt    *time.Time `json:"ready_at"`
	// Confinement is empty where nothing holds, or a monitor of an older build does
	// not say.
	Confinement        string `json:"confinement" doc:"what the VMM gave up of the host, as words"`
	MonitorConfinement string `json:"monitor_confinement" doc:"what the monitor gave up of the host, as words"`
}

// CreateVM asks for a VM. An omitted value means the default.
type CreateVM struct {
	Name        *string           `json:"name,omitempty"`
	Image       *string           `json:"image,omitempty"`
	Kernel      *string           `json:"kernel,omitempty"`
	VCPU        *int              `json:"vcpu,omitempty"`
	MemoryBytes *int64            `json:"memory_bytes,omitempty"`
	DiskBytes   *int64            `json:"disk_bytes,omitempty"`
	Init        *string           `json:"init,omitempty"`
	Env         []string          `json:"env,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Network     *string           `json:"network,omitempty" doc:"user (default) or none"`
	Egress      *string           `json:"egress,omitempty" doc:"a preset or the text of a policy"`
	Publish     []Publish         `json:"publish,omitempty"`
	Ports       *string           `json:"ports,omitempty" doc:"all, shared or none"`
	Start       *bool             `json:"start,omitempty" doc:"default true"`
	Wait        string            `json:"wait,omitempty" doc:"ready (default), started, none or port:N"`
}

// UpdateVM changes a stopped VM, or the labels and the protection of any. An
// omitted value stays; a label with an empty value is removed.
type UpdateVM struct {
	Name        *string           `json:"name,omitempty"`
	VCPU        *int              `json:"vcpu,omitempty"`
	MemoryBytes *int64            `json:"memory_bytes,omitempty"`
	DiskBytes   *int64            `json:"disk_bytes,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Publish     *[]Publish        `json:"publish,omitempty" doc:"replaces all of them"`
	Env         []string          `json:"env,omitempty" doc:"KEY=VALUE, which adds to the VM's own or replaces one"`
	UnsetEnv    []string          `json:"unset_env,omitempty" doc:"keys"`
	Protected   *bool             `json:"protected,omitempty"`
}

// StartVM says how to start, and what to wait for.
type StartVM struct {
	Wait   string `json:"wait,omitempty" doc:"ready (default), started, none or port:N"`
	Rescue bool   `json:"rescue,omitempty" doc:"go on without what fails of the guest's set-up, with the agent as PID 1"`
}

// DeleteVM says what may be deleted with a VM. It goes in the query.
type DeleteVM struct {
	Force       bool // a VM that is alive; it is ended hard
	DiscardWork bool // unexported work
}

// StopVM bounds a graceful stop.
type StopVM struct {
	TimeoutSeconds *float64 `json:"timeout_seconds,omitempty" doc:"then the VM is powered off; default 20, 0 powers it off at once"`
}

// KillVM sends a signal to the VMM process.
type KillVM struct {
	Signal string `json:"signal,omitempty" doc:"name or number; default KILL"`
}

// Image is an image that VMs can be created from.
type Image struct {
	ID           string    `json:"id"`
	Name         string    `json:"name" doc:"empty when a newer pull took it"`
	Ref          string    `json:"ref" doc:"where it came from"`
	Digest       string    `json:"digest" doc:"of the manifest, or of the tar"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	RootfsBytes  int64     `json:"rootfs_bytes" doc:"apparent size of rootfs.ext4"`
	DiskUsage    int64     `json:"disk_usage_bytes" doc:"what it takes on the host's disk"`
	Entrypoint   []string  `json:"entrypoint"`
	Cmd          []string  `json:"cmd"`
	Env          []string  `json:"env"`
	WorkingDir   string    `json:"working_dir"`
	User         string    `json:"user"`
	Kernel       string    `json:"kernel" doc:"the kernel its VMs get unless they name one"`
	VMs          int       `json:"vms" doc:"how many VMs use it"`
	CreatedAt    time.Time `json:"created_at"`
}

// PullImage asks for an image. Ref is as in the CLI: a registry reference,
// oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, tar:FILE (absolute
// paths), or tar:- with the bytes sent to PUT /v1/operations/{id}/input.
type PullImage struct {
	Ref    string `json:"ref"`
	Name   string `json:"name,omitempty"`
	Kernel string `json:"kernel,omitempty"`
}

// Kernel is a kernel that VMs can boot.
type Kernel struct {
	Name         string    `json:"name"`
	Version      string    `json:"version"`
	Architecture string    `json:"architecture"`
	Source       string    `json:"source"`
	SHA256       string    `json:"sha256" doc:"of vmlinux"`
	SizeBytes    int64     `json:"size_bytes" doc:"of all its files"`
	Modules      int       `json:"modules"`
	HasInitrd    bool      `json:"has_initrd"`
	ImportedAt   time.Time `json:"imported_at"`
	VMs          int       `json:"vms" doc:"how many VMs use it"`
}

// ImportKernel takes a kernel from a directory of the host (absolute path).
type ImportKernel struct {
	Name string `json:"name"`
	From string `json:"from"`
}

// Operation is long work, which outlives the connection that began it.
type Operation struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind" doc:"vm.create, image.pull, …"`
	Subject   string          `json:"subject" doc:"the name of what it works on"`
	State     string          `json:"state" enum:"running,succeeded,failed,canceled"`
	Stages    []Stage         `json:"stages"`
	Problem   *Problem        `json:"problem,omitempty"`
	Result    json.RawMessage `json:"result,omitempty" doc:"the thing made: a VM, an image, a kernel"`
	CreatedAt time.Time       `json:"created_at"`
	EndedAt   *time.Time      `json:"ended_at"`
}

// Stage is one named part of an operation.
type Stage struct {
	Name      string     `json:"name"`
	State     string     `json:"state" enum:"running,done,failed"`
	Detail    string     `json:"detail,omitempty"`
	Done      int64      `json:"done,omitempty"`
	Total     int64      `json:"total,omitempty" doc:"0 when it is not known"`
	Unit      string     `json:"unit,omitempty" doc:"bytes, or empty"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// SSHAccess is what an SSH client needs to reach a VM's agent.
type SSHAccess struct {
	User         string `json:"user"`
	HostKey      string `json:"host_key" doc:"authorized_keys form, without a comment"`
	IdentityFile string `json:"identity_file"`
	KnownHosts   string `json:"known_hosts_file"`
	HostAlias    string `json:"host_alias" doc:"the name in known_hosts: the VM's id"`
}

// Health is what the agent in a guest says of it, and how long it took to ask.
type Health struct {
	Ready          bool      `json:"ready"`
	Init           string    `json:"init"`
	Agent          string    `json:"agent_build"`
	BootID         string    `json:"boot_id"`
	UptimeSeconds  float64   `json:"uptime_seconds"`
	Now            time.Time `json:"now"`
	Load1          float64   `json:"load1"`
	MemTotalBytes  int64     `json:"mem_total_bytes"`
	MemAvailBytes  int64     `json:"mem_available_bytes"`
	DiskSizeBytes  int64     `json:"disk_size_bytes"`
	DiskFreeBytes  int64     `json:"disk_free_bytes"`
	RoundTripNanos int64     `json:"round_trip_nanos"`
}

// Exec is a command to run in a guest: the JSON body of
// POST /v1/vms/{name}/exec with "Upgrade: banger-exec-v1". After 101 the stream
// carries the agent protocol's frames (docs/architecture.md).
type Exec struct {
	Command []string `json:"command"`
	Dir     string   `json:"dir,omitempty"`
	Env     []string `json:"env,omitempty"`
	User    string   `json:"user,omitempty"`
	TTY     bool     `json:"tty,omitempty"`
	Rows    uint16   `json:"rows,omitempty"`
	Cols    uint16   `json:"cols,omitempty"`
	Stdin   bool     `json:"stdin,omitempty"`
	// KillGroup ends what is left of the process group too, once the command has
	// ended after a signal or the loss of its connection.
	KillGroup bool `json:"kill_group,omitempty" doc:"after a signal, or without a connection, nothing of the process group is left"`
}

// StreamProtocol is the Upgrade token of GET /v1/vms/{name}/stream/{port}: a
// raw stream to a port of the agent channel.
const StreamProtocol = "banger-stream-v1"
