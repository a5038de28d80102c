package api

// Processes are those of a guest, without threads of its kernel.
type Processes struct {
	Items []Process `json:"items" maxItems:"256"`
	Total int       `json:"total" doc:"how many there are; items has those that took most CPU time"`
}

// Process is a process of a guest, by the guest's word.
type Process struct {
	PID         int     `json:"pid"`
	Parent      int     `json:"parent"`
	UID         uint32  `json:"uid"`
	State       string  `json:"state" doc:"the letter of proc(5), such as R, S, D, T or Z"`
	Process     string  `json:"process" doc:"the name that the process has set"`
	Command     string  `json:"command" doc:"the arguments, at most 256 bytes"`
	CPUSeconds  float64 `json:"cpu_seconds" doc:"user and system, since it started"`
	MemoryBytes int64   `json:"memory_bytes" doc:"resident in the guest"`
}
