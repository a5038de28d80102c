package command

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals that programs may have, as the C libraries number them.
const (
	sigRTMIN = 34
	sigRTMAX = 64
)

// ParseSignal returns the signal that text names, as in an image's configuration: in
// any case, with or without SIG, RTMIN+n or RTMAX-n, or a number. Zero: none.
func ParseSignal(text string) syscall.Signal {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	base := 0
	switch {
	case strings.HasPrefix(name, "RTMIN"):
		base, name = sigRTMIN, strings.TrimPrefix(name, "RTMIN")
	case strings.HasPrefix(name, "RTMAX"):
		base, name = sigRTMAX, strings.TrimPrefix(name, "RTMAX")
	}
	if base != 0 && name == "" {
		return syscall.Signal(base)
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		return SignalByName(name)
	}
	if n += base; n < 1 || n > sigRTMAX || base != 0 && n < sigRTMIN {
		return 0
	}
	return syscall.Signal(n)
}

// StopSignal is the signal by which an image's program is asked to end: what the
// image names, as ParseSignal reads it, or TERM.
func StopSignal(text string) syscall.Signal {
	if sig := ParseSignal(text); sig != 0 {
		return sig
	}
	return syscall.SIGTERM
}

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
