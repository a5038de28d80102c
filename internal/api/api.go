// Package api is the wire: what bangerd and its clients exchange as JSON over
// HTTP on bangerd.sock, all under /v1. api/openapi.yaml is generated from it.
// Times are RFC 3339 UTC; sizes are bytes.
package api

import (
	"time"

	"github.com/bangervm/banger/internal/fault"
)

// Version is the API's major version, as in the path prefix.
const Version = "v1"

// Problem is the body of every error answer.
type Problem = fault.Problem

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
	Busy         int       `json:"busy" doc:"operations in progress"`
	RSSBytes     int64     `json:"rss_bytes"`
	Names        string    `json:"names" doc:"ADDRESS:PORT where this daemon answers DNS for .vm; empty: it does not"`
	NamesProblem string    `json:"names_problem,omitempty" doc:"why it does not, although it should"`
	Web          string    `json:"web" doc:"the URL of the web console; empty: there is none"`
	WebProblem   string    `json:"web_problem,omitempty" doc:"why it is not where it is configured"`
}

// WebLink signs one browser in to the web console.
type WebLink struct {
	URL       string    `json:"url" doc:"works once"`
	ExpiresAt time.Time `json:"expires_at"`
}

// SignedOut says how many browsers were signed out of the web console.
type SignedOut struct {
	Sessions int `json:"sessions"`
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
	KillGroup bool `json:"kill_group,omitempty" doc:"after a signal, or when the connection is lost, kill the whole process group"`
}

// StreamProtocol is the Upgrade token of GET /v1/vms/{name}/stream/{port}: a
// raw stream to a port of the agent channel.
const StreamProtocol = "banger-stream-v1"
