package vm

import (
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// Wait is what a start waits for before it counts as done. The zero value
// waits until the guest is ready.
type Wait struct {
	kind waitKind
	port int
}

type waitKind int

const (
	waitReady waitKind = iota
	waitStarted
	waitNone
	waitPort
)

// WaitReady waits until the guest is configured and serves.
func WaitReady() Wait { return Wait{kind: waitReady} }

// WaitStarted waits until the VMM runs.
func WaitStarted() Wait { return Wait{kind: waitStarted} }

// WaitNone waits for nothing but the monitor.
func WaitNone() Wait { return Wait{kind: waitNone} }

// WaitPort waits until the guest is ready and accepts connections on a TCP port.
func WaitPort(port int) Wait { return Wait{kind: waitPort, port: port} }

// ParseWait reads ready (also when s is empty), started, none or port:N.
// Anything else is Invalid.
func ParseWait(s string) (Wait, error) {
	switch s {
	case "", "ready":
		return WaitReady(), nil
	case "started":
		return WaitStarted(), nil
	case "none":
		return WaitNone(), nil
	}
	if digits, ok := strings.CutPrefix(s, "port:"); ok {
		port, err := strconv.ParseUint(digits, 10, 16)
		if err == nil && port > 0 {
			return WaitPort(int(port)), nil
		}
	}
	return Wait{}, fault.New(fault.Invalid, "wait value %q is not known", s).
		WithHint("use ready, started, none, or port:N with N from 1 to 65535")
}

// ForReady reports whether the guest can be used once the wait is over.
func (w Wait) ForReady() bool { return w.kind == waitReady || w.kind == waitPort }

// String is what ParseWait reads.
func (w Wait) String() string {
	switch w.kind {
	case waitStarted:
		return "started"
	case waitNone:
		return "none"
	case waitPort:
		return "port:" + strconv.Itoa(w.port)
	default:
		return "ready"
	}
}
