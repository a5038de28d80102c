package sockets

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/plain"
)

const (
	// maxLinks bounds the descriptors that one search looks at.
	maxLinks = 100_000
	// maxCommand bounds what is told of a command line, in bytes.
	maxCommand = 256
	// maxClimb bounds how many parents are looked at.
	maxClimb = 16
	// Searches through all processes for one port's owner: so many at once, and so
	// many a second from then on. Many short connections must not cost the guest
	// its time.
	searchBurst = 20
	searchEvery = 200 * time.Millisecond
	maxRecent   = 8
)

// Owners finds the processes that have sockets. It is safe for concurrent use.
type Owners struct {
	proc  string // where proc(5) is mounted
	self  int
	now   func() time.Time
	only6 func(pid, fd int) bool // whether a descriptor is a socket for IPv6 alone

	mu     sync.Mutex
	recent []int // processes that had a socket lately, the latest first
	tokens int
	filled time.Time
}

// NewOwners looks at the processes in proc, "/proc".
func NewOwners(proc string) *Owners {
	return &Owners{proc: proc, self: os.Getpid(), now: time.Now, only6: only6, tokens: searchBurst}
}

// ByPort returns the process that has a socket of proto ("tcp" or "udp") with
// this local port. It is empty when there is none, or when too many were asked
// for lately.
func (o *Owners) ByPort(proto string, port uint16) agentrpc.Owner {
	o.mu.Lock()
	defer o.mu.Unlock()
	wanted := map[uint64]bool{}
	for _, table := range tables(proto) {
		_ = scan(o.proc, table, func(e entry) bool {
			if e.local.Port() == port && e.inode != 0 {
				wanted[e.inode] = true
			}
			return len(wanted) == 0
		}) // what cannot be read has no owner
	}
	if len(wanted) == 0 {
		return agentrpc.Owner{}
	}
	budget := maxLinks
	found := o.among(o.recent, wanted, &budget)
	if len(found) == 0 && o.mayLook() {
		found = o.search(wanted)
	}
	for _, h := range found {
		o.remember(h.pid)
		return o.describe(h.pid)
	}
	return agentrpc.Owner{}
}

func (o *Owners) mayLook() bool {
	now := o.now()
	if n := int(now.Sub(o.filled) / searchEvery); n > 0 {
		o.tokens, o.filled = min(o.tokens+n, searchBurst), now
	}
	if o.tokens == 0 {
		return false
	}
	o.tokens--
	return true
}

func (o *Owners) remember(pid int) {
	recent := slices.DeleteFunc(o.recent, func(p int) bool { return p == pid })
	o.recent = slices.Insert(recent, 0, pid)
	o.recent = o.recent[:min(len(o.recent), maxRecent)]
}

// eldest climbs from a process to the parents that have the socket too: of a
// server with workers, the server. PID 1 only hands sockets on.
func (o *Owners) eldest(pid int, inode uint64, budget *int) int {
	for range maxClimb {
		parent := o.parent(pid)
		has := false
		if parent > 1 {
			o.sockets(parent, budget, func(_ int, n uint64) { has = has || n == inode })
		}
		if !has {
			break
		}
		pid = parent
	}
	return pid
}

// parent reads a process's parent, the second field after its name; 0: unknown.
func (o *Owners) parent(pid int) int {
	stat := o.read(pid, "stat", 4<<10)
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}

// alive reports whether a process is there.
func (o *Owners) alive(pid int) bool {
	_, err := os.Lstat(filepath.Join(o.proc, strconv.Itoa(pid)))
	return err == nil
}

func (o *Owners) describe(pid int) agentrpc.Owner {
	command := bytes.ReplaceAll(bytes.TrimRight(o.read(pid, "cmdline", 4*maxCommand), "\x00"), []byte{0}, []byte{' '})
	return agentrpc.Owner{PID: pid, Process: words(o.read(pid, "comm", 64)), Command: words(command)}
}

func (o *Owners) read(pid int, name string, limit int64) []byte {
	f, err := os.Open(filepath.Join(o.proc, strconv.Itoa(pid), name))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	data, _ := io.ReadAll(io.LimitReader(f, limit)) // a process may end meanwhile
	return data
}

// words makes what a process says of itself fit for one line.
func words(data []byte) string { return plain.Line(strings.TrimSpace(string(data)), maxCommand) }
