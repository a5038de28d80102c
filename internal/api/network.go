package api

import "time"

// Publish leads from a port of the host to one of the guest.
type Publish struct {
	Proto       string `json:"proto,omitempty" enum:"tcp,udp" doc:"default tcp"`
	HostAddress string `json:"host_address,omitempty" doc:"default: 127.0.0.1"`
	HostPort    int    `json:"host_port" minimum:"0" maximum:"65535"`
	GuestPort   int    `json:"guest_port" minimum:"1" maximum:"65535"`
}

// Port is a port of a guest that can be reached on the host, or should be.
type Port struct {
	Proto        string   `json:"proto" enum:"tcp,udp"`
	Address      string   `json:"address" doc:"on the host; empty: not on the host"`
	Port         int      `json:"port" doc:"on the host"`
	Endpoint     string   `json:"endpoint" doc:"NAME.vm:PORT where the host resolves .vm, else ADDRESS:PORT"`
	URL          string   `json:"url" doc:"of a web server, else empty"`
	GuestPort    int      `json:"guest_port"`
	GuestAddress []string `json:"guest_address" doc:"the address that it is bound to in the guest"`
	Source       string   `json:"source" enum:"auto,published,forward"`
	Listening    bool     `json:"listening" doc:"a process in the guest listens on it"`
	Loopback     bool     `json:"loopback" doc:"it is bound to the guest's loopback only"`
	Problem      string   `json:"problem" doc:"why it is not on the host; else empty"`
	PID          int      `json:"pid"`
	Process      string   `json:"process"`
	Command      string   `json:"command"`
}

// Forward leads from a listener of the host into a running guest, until it is
// removed or the VM stops.
type Forward struct {
	Proto string `json:"proto" enum:"tcp,udp,unix"`
	Host  string `json:"host" doc:"ADDRESS:PORT, port 0 for any free one; or the absolute path of a Unix socket"`
	Guest string `json:"guest" doc:"PORT, ADDRESS:PORT, or the absolute path of a Unix socket"`
}

// Egress is the policy of what a guest may reach.
type Egress struct {
	Policy  string   `json:"policy" doc:"its whole text"`
	Preset  string   `json:"preset" doc:"the preset that it equals; else empty"`
	Default string   `json:"default" enum:"allow,deny"`
	Rules   []string `json:"rules" doc:"in order; the first that matches decides"`
}

// SetEgress replaces a policy.
type SetEgress struct {
	Policy string `json:"policy" doc:"a preset or the text of a policy"`
}

// AddEgress puts rules before those that are there.
type AddEgress struct {
	Rules      []string `json:"rules" minItems:"1" maxItems:"256" doc:"ACTION TARGET [PROTOCOL[/PORTS]]"`
	ForSeconds float64  `json:"for_seconds,omitempty" minimum:"1" doc:"then the rules end by themselves; missing: they stay until they are removed"`
	Always     bool     `json:"always,omitempty" doc:"put them before the rules of new VMs, too"`
}

// TestEgress asks what a policy says of a flow.
type TestEgress struct {
	Target  string   `json:"target" maxLength:"512" doc:"TARGET [PROTOCOL/PORT] as in a rule; default tcp/443"`
	Address string   `json:"address,omitempty" maxLength:"64" doc:"that the name led to, if it is known"`
	Rules   []string `json:"rules,omitempty" maxItems:"256" doc:"to put before those of the policy first, as if they were added"`
}

// EgressVerdict is the answer to TestEgress.
type EgressVerdict struct {
	Target  string   `json:"target" doc:"TARGET PROTOCOL/PORT"`
	Allowed bool     `json:"allowed"`
	Rule    string   `json:"rule" doc:"that decides; the default, or a built-in ground"`
	Number  int      `json:"number" doc:"of the rule, from 1; 0: no rule of the policy decides"`
	ByName  bool     `json:"by_name" doc:"the connection itself must say the name, too (TLS or HTTP)"`
	Unless  []string `json:"unless" doc:"rules that decide instead if the name leads to an address of theirs"`
}

// RemoveEgress takes rules out.
type RemoveEgress struct {
	Rules []string `json:"rules" minItems:"1" maxItems:"256" doc:"rules of the policy itself, not of a preset"`
}

// EgressRules are the rules that new VMs begin with.
type EgressRules struct {
	Rules []string `json:"rules" doc:"in order. A VM that is created with the policy none, or with rules, does not have them"`
}

// ChangeEgressRules adds rules of new VMs, or removes them.
type ChangeEgressRules struct {
	Rules []string `json:"rules" minItems:"1" maxItems:"256" doc:"ACTION TARGET [PROTOCOL[/PORTS]]"`
}

// EgressRecord is one line of GET /v1/vms/{name}/egress/log
// (newline-delimited JSON).
type EgressRecord struct {
	Time     time.Time `json:"time"`
	Event    string    `json:"event" enum:"allow,close,deny,dns,ask,total,lost" doc:"dns: a name was denied; ask: a name was asked for below a domain (name), for the first time, or how many since; total: what went where in flows without records; lost: only the reason says how many records are missing here"`
	Protocol string    `json:"protocol"`
	Name     string    `json:"name,omitempty" doc:"that the rule matched"`
	Asked    string    `json:"asked,omitempty" doc:"names by which the guest asked for the address, the latest first, separated by spaces: only the guest's claim"`
	Said     string    `json:"said,omitempty" doc:"hosts that the connection named (TLS SNI, HTTP Host), separated by spaces"`
	Address  string    `json:"address,omitempty"`
	Port     int       `json:"port,omitempty"`
	Rule     string    `json:"rule"`
	Reason   string    `json:"reason,omitempty"`
	Sent     int64     `json:"sent_bytes,omitempty"`
	Received int64     `json:"received_bytes,omitempty"`
	Process  string    `json:"process,omitempty"`
}

// Stats is what a VM takes. Totals count from its start; fields of the guest's
// own view are 0 when its agent does not answer.
type Stats struct {
	ID               string    `json:"id"`
	Name             string    `json:"name"`
	State            string    `json:"state"`
	At               time.Time `json:"at"`
	VCPU             int       `json:"vcpu"`
	CPUNanos         int64     `json:"cpu_nanos" doc:"of the VMM, user and system, since the start"`
	MemoryBytes      int64     `json:"memory_bytes" doc:"the limit for the VM"`
	HostMemoryBytes  int64     `json:"host_memory_bytes" doc:"resident on the host: the VMM"`
	MonitorBytes     int64     `json:"monitor_bytes" doc:"resident on the host: the monitor"`
	GuestMemoryTotal int64     `json:"guest_memory_total_bytes"`
	GuestMemoryAvail int64     `json:"guest_memory_available_bytes"`
	GuestLoad1       float64   `json:"guest_load1"`
	GuestCPUSeconds  float64   `json:"guest_cpu_seconds" doc:"busy, since the guest booted, summed over its CPUs"`
	DiskSizeBytes    int64     `json:"guest_disk_size_bytes"`
	DiskFreeBytes    int64     `json:"guest_disk_free_bytes"`
	DiskUsageBytes   int64     `json:"disk_usage_bytes" doc:"space that the VM's disk uses on the host"`
	DiskReadBytes    int64     `json:"disk_read_bytes" doc:"from the host's disks, not from its memory"`
	DiskWriteBytes   int64     `json:"disk_write_bytes"`
	NetInBytes       int64     `json:"net_in_bytes" doc:"to the guest"`
	NetOutBytes      int64     `json:"net_out_bytes"`
	Flows            int       `json:"flows"`
	FlowsDenied      int64     `json:"flows_denied"`
	// Devices is missing when the VMM does not answer soon.
	Devices *DeviceStats `json:"devices,omitempty"`
}

// DeviceStats are what the VMM has counted of a guest's devices since the guest last booted.
type DeviceStats struct {
	DiskReads      int64 `json:"disk_reads" doc:"the guest's requests, also where the host's page cache answered"`
	DiskReadBytes  int64 `json:"disk_read_bytes"`
	DiskWrites     int64 `json:"disk_writes"`
	DiskWriteBytes int64 `json:"disk_write_bytes"`
	DiskFlushes    int64 `json:"disk_flushes"`
	DiskErrors     int64 `json:"disk_errors"`
	ReclaimedBytes int64 `json:"reclaimed_bytes" doc:"free memory that the guest gave back to the host; firecracker only"`
}
