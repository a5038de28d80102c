package session

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxAncestors bounds how far up it is looked for a session.
const maxAncestors = 64

// OfProcess finds the running session that a process belongs to: that whose first
// process leads its session in the kernel's sense, or is an ancestor. The error is an
// *Error.
func (r *Registry) OfProcess(pid int) (*Session, error) {
	r.mu.Lock()
	running := make(map[int]*Session, len(r.sessions))
	for _, s := range r.sessions {
		if !s.isOver() {
			running[s.pid] = s
		}
	}
	r.mu.Unlock()
	for range maxAncestors {
		if s := running[pid]; s != nil {
			return s, nil
		}
		if sid, err := unix.Getsid(pid); err == nil && running[sid] != nil {
			return running[sid], nil
		}
		if pid = parent(pid); pid <= 1 {
			break
		}
	}
	return nil, fail(NotFound, "this process is not in a session of banger")
}

// parent is the parent of a process, or 0 (proc(5): the second field after the name in
// parentheses, which may have any characters).
func parent(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	up, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return up
}
