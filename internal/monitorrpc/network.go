package monitorrpc

import (
	"encoding/json"
	"time"

	"github.com/bangervm/banger/internal/jsonlist"
)

// EgressRequest replaces the VM's egress policy; flows that the new one does
// not allow are cut.
type EgressRequest struct {
	Policy string `json:"policy"` // egress.Policy's text
}

// NeighboursRequest says which other VMs this one may reach and be reached by:
// all of them, each time.
type NeighboursRequest struct {
	Neighbours []Neighbour `json:"neighbours"`
}

// Neighbour is another VM of the same group.
type Neighbour struct {
	VMID     string `json:"vm_id"`
	Name     string `json:"name"`     // answers as NAME.vm
	Address4 string `json:"address4"` // in the virtual network
	Address6 string `json:"address6"`
	Socket   string `json:"socket"` // absolute path of its monitor's socket for neighbours
}

// MaxPorts bounds the ports and the forwards of Ports, each.
const MaxPorts = 4096

// Ports is what of the guest can be reached on the host.
type Ports struct {
	Ports []Port `json:"ports"`
	// Forwards are all that were asked for and not removed, those of unix sockets
	// too, as the answers to their requests had them.
	Forwards []Forward `json:"forwards,omitempty"`
}

// UnmarshalJSON refuses more than MaxPorts ports or forwards.
func (p *Ports) UnmarshalJSON(data []byte) error {
	var raw struct {
		Ports    json.RawMessage `json:"ports"`
		Forwards json.RawMessage `json:"forwards"`
	}
	err := json.Unmarshal(data, &raw)
	if err == nil {
		p.Ports, err = jsonlist.Decode[Port](raw.Ports, MaxPorts)
	}
	if err == nil {
		p.Forwards, err = jsonlist.Decode[Forward](raw.Forwards, MaxPorts)
	}
	return err
}

// Port is one listening port of the guest, or one that is forwarded to it.
type Port struct {
	Proto        string   `json:"proto"` // "tcp" or "udp"
	GuestAddress []string `json:"guest_address,omitempty"`
	GuestPort    uint16   `json:"guest_port"`
	// HostAddress and HostPort are where it is on the host; Problem says why it is
	// not there.
	HostAddress string `json:"host_address,omitempty"`
	HostPort    uint16 `json:"host_port,omitempty"`
	Problem     string `json:"problem,omitempty"`
	Source      Source `json:"source"`
	Listening   bool   `json:"listening"` // something in the guest listens there
	// Loopback says that it is bound to the guest's loopback only.
	Loopback bool   `json:"loopback,omitempty"`
	Scheme   string `json:"scheme,omitempty"` // "https" or "http", of a web server
	PID      int    `json:"pid,omitempty"`
	Process  string `json:"process,omitempty"`
	Command  string `json:"command,omitempty"`
}

// Source is why a port is on the host.
type Source string

// The sources: it listens in the guest; the VM was made with it (--publish); it
// was asked for while the VM ran (vm forward).
const (
	SourceAuto      Source = "auto"
	SourcePublished Source = "published"
	SourceForward   Source = "forward"
)

// Forward leads from a listener on the host into the guest.
type Forward struct {
	Proto string `json:"proto"` // "tcp", "udp" or "unix"
	// Host is "ADDRESS:PORT" (port 0: any free one, told in the answer), or the
	// absolute path of a unix socket.
	Host string `json:"host"`
	// Guest is a port, "ADDRESS:PORT", or the absolute path of a Unix socket in
	// the guest.
	Guest string `json:"guest"`
}

// Stats is what the VM takes, as the host and the guest see it. Totals count
// from the start of the VM.
type Stats struct {
	At              time.Time `json:"at"`
	CPUNanos        int64     `json:"cpu_nanos"` // of the VMM process, user and system
	VCPU            int       `json:"vcpu"`
	HostMemoryBytes int64     `json:"host_memory_bytes"` // resident, of the VMM process
	MonitorBytes    int64     `json:"monitor_bytes"`     // resident, of the monitor
	DiskReadBytes   int64     `json:"disk_read_bytes"`   // by the VMM from the host's disks
	DiskWriteBytes  int64     `json:"disk_write_bytes"`
	NetInBytes      int64     `json:"net_in_bytes"` // frames to the guest
	NetOutBytes     int64     `json:"net_out_bytes"`
	Flows           int       `json:"flows"` // open now
	FlowsDenied     int64     `json:"flows_denied"`
	// Devices is what the VMM has counted since the guest last booted; nil: it did not
	// answer in time, or the monitor is older.
	Devices *Devices `json:"devices,omitempty"`
}

// Devices are the guest's, as the VMM counts them.
type Devices struct {
	DiskReads      int64 `json:"disk_reads"` // the guest's requests, whatever answered them
	DiskReadBytes  int64 `json:"disk_read_bytes"`
	DiskWrites     int64 `json:"disk_writes"`
	DiskWriteBytes int64 `json:"disk_write_bytes"`
	DiskFlushes    int64 `json:"disk_flushes"`
	DiskErrors     int64 `json:"disk_errors"`
	ReclaimedBytes int64 `json:"reclaimed_bytes"` // free memory that the guest gave back
}

// EventLost is the Event of a record that only says, as its Reason, that others
// were lost before it.
const EventLost = "lost"

// EventAsk is the event of a record that says that a name was asked for below a
// domain that was not before (Name is the domain), or how much was since.
const EventAsk = "ask"

// EventTotal is the event of a record that says how much went to a destination in
// flows without records.
const EventTotal = "total"

// MaxEgressNews bounds Status.EgressNews, whose records a guest has a part in.
const MaxEgressNews = 8

// EgressNews is a record that tells something new: a denial, or the first use of a name
// (EventAsk). N counts all there were, so that one who missed some sees it.
type EgressNews struct {
	N      int64  `json:"n"`
	Record Record `json:"record"`
}

// Record is one line of the egress log, as JSON in egress.log.
type Record struct {
	At       time.Time `json:"time"`
	Event    string    `json:"event"` // "allow" when a flow begins, "close" when it ends, "deny", "dns" (a name that was denied), EventAsk, EventTotal, EventLost
	Protocol string    `json:"protocol"`
	Name     string    `json:"name,omitempty"`  // that the rule matched
	Asked    string    `json:"asked,omitempty"` // names by which the guest asked for the address, the latest first, with blanks between
	Said     string    `json:"said,omitempty"`  // hosts that the connection named (TLS SNI, HTTP Host), with blanks between
	Address  string    `json:"address,omitempty"`
	Port     uint16    `json:"port,omitempty"`
	Rule     string    `json:"rule"`
	Reason   string    `json:"reason,omitempty"`
	Sent     int64     `json:"sent_bytes,omitempty"` // by the guest; in "close", "total" and "ask"
	Received int64     `json:"received_bytes,omitempty"`
	Process  string    `json:"process,omitempty"` // in the guest, where known
}
