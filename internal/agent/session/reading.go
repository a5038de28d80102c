package session

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxProcesses and maxThreads bound how many are looked at.
	maxProcesses = 4096
	maxThreads   = 64
	// maxReader bounds what is kept of the command line of the one that waits, in bytes.
	maxReader = 512
)

// reading says whether a process in the foreground waits for input from its terminal,
// whether that is the session's first process, and what it runs: its words, each with a
// NUL after it.
type reading struct {
	any, leader bool
	command     string
}

// readsAs is that a process waits.
func readsAs(pid, leader int) reading {
	command, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return reading{any: true, leader: pid == leader} // it has just ended
	}
	return reading{true, pid == leader, string(command[:min(len(command), maxReader)])}
}

// words are those of the command. Invalid text is replaced: it goes out as JSON.
func (r reading) words() []string {
	if r.command == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(strings.ToValidUTF8(r.command, "?"), "\x00"), "\x00")
}

// readers looks who waits for input from a terminal, by the system calls of the
// processes in the foreground (/proc/PID/syscall, proc(5)). A program that waits for
// several things at once is not seen.
func readers(master *os.File, leader int) reading {
	raw, err := master.SyscallConn()
	if err != nil {
		return reading{}
	}
	var group, number int
	var asked error
	err = raw.Control(func(fd uintptr) {
		if group, asked = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP); asked == nil {
			number, asked = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil || asked != nil || group <= 1 {
		return reading{}
	}
	terminal := "/dev/pts/" + strconv.Itoa(number)
	if waitsOn(group, terminal) {
		return readsAs(group, leader)
	}
	for _, pid := range processesOf(group) {
		if waitsOn(pid, terminal) {
			return readsAs(pid, leader)
		}
	}
	return reading{}
}

// processesOf are the other processes of a process group.
func processesOf(group int) []int {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = proc.Close() }()
	names, _ := proc.Readdirnames(maxProcesses) // what there is of them will do
	var found []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == group {
			continue
		}
		if of, err := unix.Getpgid(pid); err == nil && of == group {
			found = append(found, pid)
		}
	}
	return found
}

// waitsOn reports whether a thread of a process waits in a read of the terminal.
func waitsOn(pid int, terminal string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "syscall"))
	if err != nil {
		return false
	}
	for _, path := range threads[:min(len(threads), maxThreads)] {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fd, ok := awaited(string(text), func(address uint64) (int, bool) { return polled(dir, address) })
		if !ok {
			continue
		}
		if link, err := os.Readlink(filepath.Join(dir, "fd", strconv.Itoa(fd))); err == nil && (link == terminal || link == "/dev/tty") {
			return true
		}
	}
	return false
}

// awaited is the descriptor that a system call waits for, if it is for one alone: a
// read, a select of descriptor 0, by which readline waits, or a poll of one, by which
// busybox does. polled reads the descriptor of the pollfd at an address.
func awaited(syscall string, polled func(address uint64) (int, bool)) (fd int, ok bool) {
	fields := strings.Fields(syscall)
	if len(fields) < 3 {
		return 0, false // it runs
	}
	var numbers [3]uint64
	for i, field := range fields[:3] {
		var err error
		if numbers[i], err = strconv.ParseUint(field, 0, 64); err != nil {
			return 0, false // -1: it is stopped elsewhere
		}
	}
	switch numbers[0] {
	case unix.SYS_READ, unix.SYS_READV:
		return int(numbers[1]), true
	case unix.SYS_PSELECT6:
		return 0, numbers[1] == 1
	case uint64(sysPoll), unix.SYS_PPOLL:
		if numbers[2] == 1 {
			return polled(numbers[1])
		}
	}
	return 0, false
}

// polled is the descriptor of the struct pollfd at an address of a process (poll(2)):
// its first four bytes.
func polled(dir string, address uint64) (fd int, ok bool) {
	memory, err := os.Open(filepath.Join(dir, "mem"))
	if err != nil {
		return 0, false
	}
	defer func() { _ = memory.Close() }()
	var raw [4]byte
	if _, err := memory.ReadAt(raw[:], int64(address)); err != nil { //nolint:gosec // an address of user space
		return 0, false
	}
	return int(int32(binary.NativeEndian.Uint32(raw[:]))), true //nolint:gosec // an int of C
}
