// Package processes lists what runs in the guest.
package processes

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/plain"
)

const (
	// maxLooked bounds the processes that are looked at.
	maxLooked = 16 << 10
	// maxCommand and maxName bound what is told of a process, in bytes.
	maxCommand = 256
	maxName    = 64
	// ticks is the unit of CPU time in proc(5), USER_HZ, a second; kthreadd is the parent of
	// the kernel's threads.
	ticks    = 100
	kthreadd = 2
)

// The fields of stat in proc(5) behind the name: their number there, less 3.
const (
	fieldState  = 0
	fieldParent = 1
	fieldUser   = 11
	fieldSystem = 12
	fieldPages  = 21
)

// List reads the processes in proc, "/proc". One that ends meanwhile is left out.
func List(proc string) (agentrpc.Processes, error) {
	dir, err := os.Open(proc)
	if err != nil {
		return agentrpc.Processes{}, err
	}
	names, err := dir.Readdirnames(-1)
	_ = dir.Close()
	if err != nil {
		return agentrpc.Processes{}, err
	}
	all := []agentrpc.Process{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || len(all) == maxLooked {
			continue
		}
		if p, ok := read(proc, pid); ok && pid != kthreadd && p.Parent != kthreadd {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b agentrpc.Process) int {
		return cmp.Or(cmp.Compare(b.CPUSeconds, a.CPUSeconds), cmp.Compare(b.MemoryBytes, a.MemoryBytes), a.PID-b.PID)
	})
	list := agentrpc.Processes{Total: len(all), Processes: all[:min(len(all), agentrpc.MaxProcesses)]}
	for i := range list.Processes {
		p := &list.Processes[i]
		words := bytes.ReplaceAll(bytes.TrimRight(contents(proc, p.PID, "cmdline", 4*maxCommand), "\x00"), []byte{0}, []byte{' '})
		p.Command = plain.Line(strings.TrimSpace(string(words)), maxCommand)
	}
	return list, nil
}

// read is a process without its command; false: there is none.
func read(proc string, pid int) (p agentrpc.Process, ok bool) {
	info, err := os.Lstat(filepath.Join(proc, strconv.Itoa(pid)))
	if err != nil {
		return p, false
	}
	if owner, known := info.Sys().(*syscall.Stat_t); known {
		p.UID = owner.Uid
	}
	// The name is in brackets, and may have brackets and spaces itself.
	stat := contents(proc, pid, "stat", 4<<10)
	begins, ends := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if begins < 0 || ends < begins {
		return p, false
	}
	fields := strings.Fields(string(stat[ends+1:]))
	if len(fields) <= fieldPages {
		return p, false
	}
	at := func(field int) int64 {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return 0
		}
		return max(n, 0)
	}
	p.PID, p.Process, p.State = pid, plain.Line(strings.TrimSpace(string(stat[begins+1:ends])), maxName), plain.Line(fields[fieldState], 1)
	p.Parent, p.CPUSeconds = int(at(fieldParent)), float64(at(fieldUser)+at(fieldSystem))/ticks
	p.MemoryBytes = at(fieldPages) * int64(os.Getpagesize())
	return p, true
}

func contents(proc string, pid int, name string, limit int64) []byte {
	f, err := os.Open(filepath.Join(proc, strconv.Itoa(pid), name))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	data, _ := io.ReadAll(io.LimitReader(f, limit)) // a process may end meanwhile
	return data
}
