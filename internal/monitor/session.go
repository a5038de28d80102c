package monitor

import (
	"os"

	"golang.org/x/sys/unix"
)

// startedHere reports whether this monitor, the leader of a session, started the process: its VMM,
// which may use the run directory's sockets, must not give it orders. A VMM can neither fork nor
// leave the session.
func startedHere(pid int) bool {
	session, err := unix.Getsid(0)
	return err == nil && session == os.Getpid() && inSession(session, pid)
}

// inSession reports whether a process is in a session, or has ended. One of an outer process-ID
// namespace, which is 0 here, is not.
func inSession(session, pid int) bool {
	if pid == 0 {
		return false
	}
	its, err := unix.Getsid(pid)
	return err != nil || its == session
}
