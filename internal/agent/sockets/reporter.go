package sockets

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

const (
	// Interval is the time between two looks at what listens. With what follows, a
	// port is on the host within a second, also one that is seen by the second.
	Interval = 350 * time.Millisecond
	// maxSkips is how many looks the kernel's counters may spare in a row. They
	// miss a socket that another one replaces, which is then seen by the next look.
	maxSkips = 1
)

// maxReport bounds a report as JSON, in bytes: half of a line on the control
// stream. Beyond it the command lines are left out.
const maxReport = agentrpc.MaxLine / 2

// Reporter tells what listens, whenever that changes. It is used by one
// goroutine.
type Reporter struct {
	owners    *Owners
	tables    kept
	ephemeral portRange
	seen      []listener
	known     map[uint64]identity // by inode
	told      []agentrpc.Socket
	began     bool
	counters  *counters // nil: none
	counted   string
	skips     int
}

// NewReporter returns a Reporter that has told nothing yet. The caller closes it.
func NewReporter(owners *Owners) *Reporter {
	return &Reporter{
		owners: owners, tables: kept{proc: owners.proc, files: map[string]*os.File{}},
		ephemeral: ephemeralPorts(owners.proc), known: map[uint64]identity{},
		counters: openCounters(owners.proc),
	}
}

// Close releases the reporter's files.
func (r *Reporter) Close() {
	r.tables.close()
	if r.counters != nil {
		r.counters.close()
	}
}

// Run looks at once, then at every Interval until ctx ends, and calls tell with
// what listens: the first time, and when it has changed. Nothing is looked at
// before ready.
func (r *Reporter) Run(ctx context.Context, ready func() bool, tell func(agentrpc.Listening)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if ready() {
			if report, changed := r.Look(); changed {
				tell(report)
			}
		}
		timer.Reset(Interval)
	}
}

// Look reports what listens, and whether that is news. What cannot be read is no
// news.
func (r *Reporter) Look() (report agentrpc.Listening, changed bool) {
	if r.spared() {
		return report, false
	}
	seen, err := look(r.tables.scan, r.ephemeral)
	if err != nil || r.began && slices.Equal(seen, r.seen) {
		return report, false
	}
	r.seen = seen
	r.identify()
	report = r.report()
	if r.began && slices.Equal(report.Sockets, r.told) {
		return report, false
	}
	r.began, r.told = true, report.Sockets
	return report, true
}

// spared reports whether a look may be left out, as the kernel has as many
// sockets as before. A look goes through all of the kernel's table of
// connections, which is as large as the guest's memory has it.
func (r *Reporter) spared() bool {
	if r.counters == nil {
		return false
	}
	counted := r.counters.read()
	same := r.began && counted != "" && counted == r.counted && r.skips < maxSkips
	if !same {
		r.counted, r.skips = counted, 0
		return false
	}
	r.skips++
	return true
}

// identity is what is found of a socket besides its place.
type identity struct {
	owner  agentrpc.Owner
	v6only bool // of a socket on "::"
}

// identify looks at sockets that are new, or whose owner is gone.
func (r *Reporter) identify() {
	known, wanted := map[uint64]identity{}, map[uint64]bool{}
	for _, l := range r.seen {
		id, ok := r.known[l.inode]
		if ok && (id.owner.PID == 0 || r.owners.alive(id.owner.PID)) {
			known[l.inode] = id
		} else {
			wanted[l.inode] = true
		}
	}
	if len(wanted) > 0 {
		found, described := r.owners.search(wanted), map[int]agentrpc.Owner{}
		for _, l := range r.seen {
			h, ok := found[l.inode]
			if _, done := known[l.inode]; done {
				continue
			}
			var id identity // of the kernel's own sockets nothing
			if ok {
				if _, done := described[h.pid]; !done {
					described[h.pid] = r.owners.describe(h.pid)
				}
				id.owner = described[h.pid]
				id.v6only = l.local.Addr() == netip.IPv6Unspecified() && r.owners.only6(h.at, h.fd)
			}
			known[l.inode] = id
		}
	}
	r.known = known
}

// report leaves out the agent's own, and joins sockets that share an address.
func (r *Reporter) report() agentrpc.Listening {
	report := agentrpc.Listening{Sockets: []agentrpc.Socket{}}
	for i, l := range r.seen {
		id := r.known[l.inode]
		if id.owner.PID == r.owners.self || i > 0 && r.seen[i-1].proto == l.proto && r.seen[i-1].local == l.local {
			continue
		}
		if len(report.Sockets) == agentrpc.MaxListening {
			break
		}
		report.Sockets = append(report.Sockets, agentrpc.Socket{
			Proto: l.proto, Address: l.local.Addr().String(), Port: l.local.Port(), V6Only: id.v6only, Owner: id.owner,
		})
	}
	if data, err := json.Marshal(report); err != nil || len(data) > maxReport {
		for i := range report.Sockets {
			report.Sockets[i].Command = ""
		}
	}
	return report
}
