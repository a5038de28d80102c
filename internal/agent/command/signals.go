package command

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// SignalByName returns the signal called name without "SIG", as in RFC 4254
// section 6.9 and Linux, or 0.
func SignalByName(name string) syscall.Signal {
	if len(name) > 16 {
		return 0
	}
	return unix.SignalNum("SIG" + name)
}

// SignalName is the name of sig without "SIG", or "".
func SignalName(sig syscall.Signal) string {
	name := unix.SignalName(sig)
	if len(name) < 4 {
		return ""
	}
	return name[3:]
}
