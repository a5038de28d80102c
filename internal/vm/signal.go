package vm

import (
	"strconv"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// MaxSignal is the last real-time signal of Linux.
const MaxSignal = 64

// ParseSignal reads a signal's name, with or without SIG and in any case, or
// its number. Empty means SIGKILL. Anything else is Invalid.
func ParseSignal(s string) (int, error) {
	if s == "" {
		return int(syscall.SIGKILL), nil
	}
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= MaxSignal {
		return n, nil
	}
	names := map[string]syscall.Signal{
		"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "BUS": syscall.SIGBUS, "CHLD": syscall.SIGCHLD,
		"CONT": syscall.SIGCONT, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP, "ILL": syscall.SIGILL,
		"INT": syscall.SIGINT, "IO": syscall.SIGIO, "KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE,
		"PROF": syscall.SIGPROF, "PWR": syscall.SIGPWR, "QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV,
		"STKFLT": syscall.SIGSTKFLT, "STOP": syscall.SIGSTOP, "SYS": syscall.SIGSYS, "TERM": syscall.SIGTERM,
		"TRAP": syscall.SIGTRAP, "TSTP": syscall.SIGTSTP, "TTIN": syscall.SIGTTIN, "TTOU": syscall.SIGTTOU,
		"URG": syscall.SIGURG, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "VTALRM": syscall.SIGVTALRM,
		"WINCH": syscall.SIGWINCH, "XCPU": syscall.SIGXCPU, "XFSZ": syscall.SIGXFSZ,
	}
	if sig, ok := names[strings.TrimPrefix(strings.ToUpper(s), "SIG")]; ok {
		return int(sig), nil
	}
	return 0, UnknownSignal(s)
}

// UnknownSignal is the fault of a signal that does not exist.
func UnknownSignal(s string) error {
	return fault.New(fault.Invalid, "signal %q is not known", plain.Value(s)).WithHint("use, for example, KILL, SIGTERM or 9")
}
