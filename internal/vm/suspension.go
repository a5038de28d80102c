package vm

import (
	"context"
	"time"
)

// SuspensionFormat numbers what a suspended machine is stored as. Another format is not resumed.
const SuspensionFormat = 1

// MachineHost is what a machine runs on and cannot change under it.
type MachineHost struct {
	// VMM tells the VMM's executable from others, and from itself after a change.
	VMM string `json:"vmm"`
	// CPU is the host's model, with its flags and microcode.
	CPU string `json:"cpu"`
}

// Suspension describes a suspended machine. It is stored as manifest.json.
type Suspension struct {
	Format  int    `json:"format"`
	StartID string `json:"start_id"` // of the start that was suspended
	Driver  string `json:"driver"`
	// Shape and TSCKHz are what the driver says of the machine.
	Shape  string       `json:"shape"`
	TSCKHz int64        `json:"tsc_khz,omitempty"`
	Host   *MachineHost `json:"host,omitempty"`
	// Bytes and SHA256 are of the file with the machine.
	Bytes  int64     `json:"bytes"`
	SHA256 string    `json:"sha256"` // hex digits
	At     time.Time `json:"at"`
	// Connections are the TCP connections that the guest had through its network card.
	Connections []Connection `json:"connections,omitempty"`
}

// Connection is a TCP connection of a guest, by both ends as "ADDRESS:PORT".
type Connection struct {
	Guest string `json:"guest"`
	Peer  string `json:"peer"`
}

// Suspensions finds the machines of suspended VMs.
type Suspensions interface {
	// Find returns what is known of the VM's suspended machine. NotFound: there is none;
	// Unavailable: nothing can go on from it.
	Find(ctx context.Context, vmID string) (Suspension, error)
	// Discard removes it, with what an interrupted suspension left. Nothing there is no error.
	Discard(ctx context.Context, vmID string) error
	// Host is what a start of spec would run on.
	Host(ctx context.Context, spec Spec) (MachineHost, error)
}
