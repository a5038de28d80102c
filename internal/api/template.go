package api

import "time"

// Template is a saved machine that starts of VMs of its shape go on from.
type Template struct {
	Key         string    `json:"key"`
	Driver      string    `json:"driver"`
	Kernel      string    `json:"kernel"`
	VCPU        int       `json:"vcpu"`
	MemoryBytes int64     `json:"memory_bytes"`
	Disks       int       `json:"disks"`
	Network     bool      `json:"network" doc:"the machine has a network card"`
	SizeBytes   int64     `json:"size_bytes" doc:"on the host's disk"`
	CreatedAt   time.Time `json:"created_at"`
	UsedAt      time.Time `json:"used_at"`
}

// PrunedTemplates is what a prune removed.
type PrunedTemplates struct {
	Templates      []Template `json:"templates"`
	ReclaimedBytes int64      `json:"reclaimed_bytes"`
}
