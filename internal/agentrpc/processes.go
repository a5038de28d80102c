package agentrpc

import (
	"encoding/json"

	"github.com/bangervm/banger/internal/jsonlist"
)

// PathProcesses is GET, and answers Processes. An agent of an older build answers 404.
const PathProcesses = "/v1/processes"

// MaxProcesses bounds the processes of one answer.
const MaxProcesses = 256

// Processes are those of the guest, without threads of its kernel: those that took most
// CPU time first, at most MaxProcesses of Total.
type Processes struct {
	Total     int       `json:"total"`
	Processes []Process `json:"processes"`
}

// UnmarshalJSON refuses more than MaxProcesses.
func (p *Processes) UnmarshalJSON(data []byte) error {
	var raw struct {
		Total     int             `json:"total"`
		Processes json.RawMessage `json:"processes"`
	}
	err := json.Unmarshal(data, &raw)
	if err == nil {
		p.Total = raw.Total
		p.Processes, err = jsonlist.Decode[Process](raw.Processes, MaxProcesses)
	}
	return err
}

// Process is one process of the guest.
type Process struct {
	Owner
	Parent      int     `json:"parent,omitempty"`
	UID         uint32  `json:"uid"`
	State       string  `json:"state"`       // the letter of proc(5)
	CPUSeconds  float64 `json:"cpu_seconds"` // user and system, since it started
	MemoryBytes int64   `json:"memory_bytes"`
}
