package sockets

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holder is who has a socket: of a server with workers, the server; and where it
// was found.
type holder struct {
	pid    int
	at, fd int // a process that has it, and its descriptor there
}

// search looks for sockets by inode among all processes, and returns those that
// it finds.
func (o *Owners) search(wanted map[uint64]bool) map[uint64]holder {
	dir, err := os.Open(o.proc)
	if err != nil {
		return nil
	}
	names, _ := dir.Readdirnames(-1) // what it read before an error is of use
	_ = dir.Close()
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	// A new socket is mostly a new process's.
	slices.SortFunc(pids, func(a, b int) int { return b - a })
	budget := maxLinks
	found := o.among(pids, wanted, &budget)
	for inode, h := range found {
		h.pid = o.eldest(h.pid, inode, &budget)
		found[inode] = h
	}
	return found
}

// among looks for sockets among the given processes.
func (o *Owners) among(pids []int, wanted map[uint64]bool, budget *int) map[uint64]holder {
	found := map[uint64]holder{}
	for _, pid := range pids {
		o.sockets(pid, budget, func(fd int, inode uint64) {
			if _, known := found[inode]; wanted[inode] && !known {
				found[inode] = holder{pid: pid, at: pid, fd: fd}
			}
		})
		if len(found) == len(wanted) || *budget <= 0 {
			break
		}
	}
	return found
}

// sockets calls each with the descriptors and inodes of a process's sockets. One
// that is gone has none.
func (o *Owners) sockets(pid int, budget *int, each func(fd int, inode uint64)) {
	path := filepath.Join(o.proc, strconv.Itoa(pid), "fd")
	dir, err := os.Open(path)
	if err != nil {
		return
	}
	names, _ := dir.Readdirnames(max(*budget, 1))
	_ = dir.Close()
	*budget -= len(names)
	for _, name := range names {
		link, err := os.Readlink(filepath.Join(path, name))
		if err != nil {
			continue
		}
		number, ok := strings.CutPrefix(link, "socket:[")
		inode, err1 := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
		fd, err2 := strconv.Atoi(name)
		if ok && err1 == nil && err2 == nil {
			each(fd, inode)
		}
	}
}

// only6 asks a socket itself, by a copy of the process's descriptor, whether it is
// for IPv6 alone: proc(5) does not tell.
func only6(pid, fd int) bool {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(process) }()
	socket, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(socket) }()
	value, err := unix.GetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return err == nil && value != 0
}
