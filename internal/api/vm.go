package api

import (
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// VM is a virtual machine.
type VM struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	State         string            `json:"state" enum:"stopped,starting,running,paused,suspended,stopping,failed"`
	Image         string            `json:"image" doc:"a name of its image: the one that it was made from, if the image still has it"`
	ImageID       string            `json:"image_id"`
	ImageUnnamed  bool              `json:"image_unnamed,omitempty" doc:"its image has lost all its names: image is the one that it had; an event does not say it"`
	Kernel        string            `json:"kernel"`
	VCPU          int               `json:"vcpu"`
	MemoryBytes   int64             `json:"memory_bytes"`
	DiskBytes     int64             `json:"disk_bytes"`
	Driver        string            `json:"driver"`
	Init          string            `json:"init" enum:"auto,image,agent"`
	Entrypoint    string            `json:"entrypoint" enum:",no,on-failure,always" doc:"the restart policy under which the image's entrypoint and command run; empty: they do not"`
	NoHealthcheck bool              `json:"no_healthcheck" doc:"the health check of the image is not run"`
	User          string            `json:"user" doc:"the default user of commands, from the image; empty: root"`
	Env           []string          `json:"env"`
	Labels        map[string]string `json:"labels"`
	Nested        bool              `json:"nested" doc:"the guest can run VMs with hardware virtualisation itself"`
	Console       bool              `json:"console" doc:"it has a console log on each driver; without, only where that costs nothing"`
	Protected     bool              `json:"protected" doc:"it cannot be deleted until it is unprotected"`
	Address       string            `json:"address" doc:"on this host: 127.x.y.z, where its ports appear"`
	Network       string            `json:"network" enum:"user,none"`
	GuestIP       string            `json:"guest_ip" doc:"in its virtual network; empty without one"`
	Egress        string            `json:"egress" doc:"the policy, as text; a preset's name when it is one"`
	Publish       []Publish         `json:"publish"`
	Ports         string            `json:"ports" doc:"which open ports of the guest appear on the host automatically: all, shared (all but those bound to its loopback) or none"`
	ExitReason    string            `json:"exit_reason"`
	ExitMessage   string            `json:"exit_message"`
	ExitHint      string            `json:"exit_hint,omitempty" doc:"what to do about it, as text"`
	ExitHintParts fault.Hint        `json:"exit_hint_parts,omitempty" doc:"the hint in parts, when it proposes acts"`
	CreatedAt     time.Time         `json:"created_at"`
	StartedAt     *time.Time        `json:"started_at"`
	StoppedAt     *time.Time        `json:"stopped_at"`
	// BootTimeline is there once the VM was started.
	BootTimeline *BootTimeline `json:"boot_timeline,omitempty"`
	// Attention is of its most urgent session, if it is known.
	Attention *Attention `json:"attention,omitempty"`
	// Workspace is there once one was prepared.
	Workspace *Workspace `json:"workspace,omitempty"`
	// Snapshots is there if it has any, in GET /v1/vms/{name} only.
	Snapshots *VMSnapshots `json:"snapshots,omitempty"`
	// Health is known while the agent runs the image's entrypoint and its health check.
	Health *VMEntrypointHealth `json:"health,omitempty"`
	// Runtime is known while the VM is alive, in GET /v1/vms/{name} only.
	Runtime *VMRuntime `json:"runtime,omitempty"`
}

// BootTimeline is how far the last start of a VM came, and when: milliseconds since bangerd
// began the start. A point that was not reached is left out.
type BootTimeline struct {
	How          string  `json:"how" enum:"cold,template,resumed" doc:"cold: the kernel booted; template: the machine went on from a saved one, which had no identity yet; resumed: it went on where it was suspended"`
	Driver       string  `json:"driver"`
	Template     string  `json:"template,omitempty" doc:"the key of the saved machine that it was to go on from"`
	NotRestored  string  `json:"not_restored,omitempty" doc:"why it was a cold boot in spite of that"`
	MonitorMS    float64 `json:"monitor_ms,omitempty" doc:"the VM's monitor ran"`
	VMMMS        float64 `json:"vmm_ms,omitempty" doc:"the VMM answered and the guest's CPUs ran"`
	ConnectedMS  float64 `json:"connected_ms,omitempty" doc:"the agent in the guest connected"`
	ConfiguredMS float64 `json:"configured_ms,omitempty" doc:"the guest had its disks, network, files and names, by its own clock"`
	ReadyMS      float64 `json:"ready_ms,omitempty" doc:"the guest was ready"`
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
	Notes      []string   `json:"notes" doc:"what the guest lacks, and why"`
	ReadyAt    *time.Time `json:"ready_at"`
	// Entrypoint is there when the agent runs the image's entrypoint.
	Entrypoint *VMEntrypoint `json:"entrypoint,omitempty"`
	// Confinement is empty where nothing holds, or a monitor of an older build does
	// not say.
	Confinement        string `json:"confinement" doc:"what the VMM gave up of the host, as words"`
	MonitorConfinement string `json:"monitor_confinement" doc:"what the monitor gave up of the host, as words"`
}

// VMEntrypoint is how the image's entrypoint is that the agent runs.
type VMEntrypoint struct {
	State    string    `json:"state" doc:"running, restarting (it waits for its next start) or exited"`
	Restarts int       `json:"restarts"`
	ExitCode int       `json:"exit_code" doc:"of its last end; 128+n if signal n ended it"`
	Error    string    `json:"error,omitempty" doc:"why it did not start the last time"`
	Since    time.Time `json:"since"`
}

// VMEntrypointHealth is what the image's health check says of its entrypoint.
type VMEntrypointHealth struct {
	State    string    `json:"state" doc:"starting, healthy or unhealthy"`
	Failures int       `json:"failures" doc:"of checks, in a row"`
	ExitCode int       `json:"exit_code" doc:"of the last check; 128+n if signal n ended it"`
	Output   string    `json:"output,omitempty" doc:"of the last check, at most 4 KiB, or why it could not tell"`
	Since    time.Time `json:"since" doc:"when this state began"`
}

// CreateVM asks for a VM. An omitted value means the default.
type CreateVM struct {
	Name          *string           `json:"name,omitempty"`
	Image         *string           `json:"image,omitempty"`
	Platform      string            `json:"platform,omitempty" doc:"OS/ARCH or OS/ARCH/VARIANT that an image is pulled for; refused if this host cannot boot it"`
	Kernel        *string           `json:"kernel,omitempty"`
	Driver        *string           `json:"driver,omitempty" doc:"the driver's name; auto (default): as configured"`
	VCPU          *int              `json:"vcpu,omitempty"`
	MemoryBytes   *int64            `json:"memory_bytes,omitempty"`
	DiskBytes     *int64            `json:"disk_bytes,omitempty"`
	Init          *string           `json:"init,omitempty"`
	Nested        bool              `json:"nested,omitempty" doc:"let the guest run VMs with hardware virtualisation itself; refused where this host cannot"`
	Console       *bool             `json:"console,omitempty" doc:"have a serial console and its log also on firecracker, where it slows the boot; default: as configured"`
	Entrypoint    *string           `json:"entrypoint,omitempty" doc:"run the image's entrypoint and command under this restart policy: no, on-failure or always"`
	NoHealthcheck bool              `json:"no_healthcheck,omitempty" doc:"do not run the health check of the image"`
	Env           []string          `json:"env,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Network       *string           `json:"network,omitempty" doc:"user (default) or none"`
	Egress        *string           `json:"egress,omitempty" doc:"a preset or the text of a policy"`
	Publish       []Publish         `json:"publish,omitempty"`
	Ports         *string           `json:"ports,omitempty" doc:"all, shared or none"`
	Start         *bool             `json:"start,omitempty" doc:"default true"`
	Wait          string            `json:"wait,omitempty" doc:"ready (default), started, none or port:N"`
	Workspace     *PrepareWorkspace `json:"workspace,omitempty" doc:"a git work tree to copy to the VM once it is ready"`
	Session       *StartSession     `json:"session,omitempty" doc:"a session to start then, in the workspace unless it has a directory"`
}

// CreatedVM is the result of the operation that creates a VM.
type CreatedVM struct {
	VM
	Started *Session `json:"started_session,omitempty" doc:"the session that was asked for"`
}

// UpdateVM changes a stopped VM, or the labels and the protection of any. An
// omitted value stays; a label with an empty value is removed.
type UpdateVM struct {
	Name        *string           `json:"name,omitempty"`
	VCPU        *int              `json:"vcpu,omitempty"`
	MemoryBytes *int64            `json:"memory_bytes,omitempty"`
	DiskBytes   *int64            `json:"disk_bytes,omitempty"`
	Kernel      *string           `json:"kernel,omitempty" doc:"a local kernel, of which the VM gets a copy"`
	Driver      *string           `json:"driver,omitempty" doc:"the driver's name; auto: the next start chooses as configured"`
	Labels      map[string]string `json:"labels,omitempty"`
	Publish     *[]Publish        `json:"publish,omitempty" doc:"replaces all of them"`
	Env         []string          `json:"env,omitempty" doc:"KEY=VALUE, which adds to the VM's own or replaces one"`
	UnsetEnv    []string          `json:"unset_env,omitempty" doc:"keys"`
	Nested      *bool             `json:"nested,omitempty"`
	Console     *bool             `json:"console,omitempty" doc:"from the next start on"`
	Entrypoint  *string           `json:"entrypoint,omitempty" doc:"the restart policy of the image's entrypoint, if the VM runs it: no, on-failure or always"`
	Protected   *bool             `json:"protected,omitempty"`
}

// StartVM says how to start, and what to wait for.
type StartVM struct {
	Wait   string `json:"wait,omitempty" doc:"ready (default), started, none or port:N"`
	Cold   bool   `json:"cold,omitempty" doc:"boot a suspended VM, and discard its memory"`
	Rescue bool   `json:"rescue,omitempty" doc:"skip steps of the guest's setup that fail, with the agent as PID 1"`
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
