// Package template keeps machines that were saved while they waited for an identity, and
// has starts of VMs go on from them instead of booting a kernel.
package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Format numbers what a saved machine is stored as. Another format is no template.
const Format = 1

// Parts are all that a saved machine depends on. A start goes on from one only if all of them
// are the same.
type Parts struct {
	Format int    `json:"format"`
	Driver string `json:"driver"`
	// Shape is vmm.Driver's.
	Shape string `json:"shape"`
	// VMM tells the VMM's executable from others and from itself after a change.
	VMM string `json:"vmm"`
	// CPU is the host's model, with its flags and microcode.
	CPU string `json:"cpu"`
	// KernelSHA256 is the kernel's hash, Initramfs the name of an archive, which its content
	// decides.
	KernelSHA256 string `json:"kernel_sha256"`
	Initramfs    string `json:"initramfs"`
}

// keyBytes is how much of the hash a key has.
const keyBytes = 16

// Key names a saved machine by its parts: 32 hex digits.
func (p Parts) Key() string {
	p.Format = Format
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("template: parts cannot be written: %v", err)) // strings always can
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:keyBytes])
}

// About is what people are told of a saved machine.
type About struct {
	Driver      string `json:"driver"`
	Kernel      string `json:"kernel"` // its name
	VCPU        int    `json:"vcpu"`
	MemoryBytes int64  `json:"memory_bytes"`
	Disks       int    `json:"disks"`
	Network     bool   `json:"network"`
}

// File is a file of a saved machine.
type File struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hex digits
}

// Manifest describes a stored machine. It is stored as manifest.json.
type Manifest struct {
	Format int    `json:"format"`
	Key    string `json:"key"`
	About  About  `json:"about"`
	// Shape and TSCKHz are vmm.Saved's.
	Shape     string    `json:"shape"`
	TSCKHz    int64     `json:"tsc_khz,omitempty"`
	State     File      `json:"state"`
	Memory    File      `json:"memory"`
	CreatedAt time.Time `json:"created_at"`
}

// Stored is a manifest, and what is true of its files.
type Stored struct {
	Manifest
	Bytes  int64 // on disk
	UsedAt time.Time
}
