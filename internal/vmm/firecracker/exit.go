package firecracker

import (
	"fmt"
	"syscall"

	"github.com/bangervm/banger/internal/vmm"
)

// exitSignals are the exit statuses by which Firecracker says that a signal ended it,
// by its enum FcExitCode.
func exitSignals() map[int]syscall.Signal {
	return map[int]syscall.Signal{
		148: syscall.SIGSYS, 149: syscall.SIGBUS, 150: syscall.SIGSEGV, 151: syscall.SIGXFSZ,
		154: syscall.SIGXCPU, 155: syscall.SIGPIPE, 156: syscall.SIGHUP, 157: syscall.SIGILL,
	}
}

// exit says how Firecracker ended, after the end of its process.
func (m *Machine) exit() vmm.Exit {
	signal := m.process.DeathSignal()
	if signal == 0 {
		signal = exitSignals()[m.process.ExitCode()]
	}
	switch {
	case m.halted:
		return vmm.Exit{Cause: vmm.GuestOff, Detail: "the guest halted"}
	case m.told == syscall.SIGTERM && signal == syscall.SIGTERM:
		return vmm.Exit{Cause: vmm.HostShutdown, Detail: "Firecracker was told to end"}
	case m.process.ExitCode() == 0:
		return vmm.Exit{Cause: vmm.GuestReset, Detail: "the guest reset the machine"}
	default:
		return vmm.Exit{Cause: vmm.Failed, Signal: int(signal), Detail: m.why()}
	}
}

// why says why Firecracker ended. Where it gave up by itself, the last of its log says more
// than its stderr.
func (m *Machine) why() string {
	failure := m.process.Failure()
	if last := m.log.lastLine(); last != "" && m.process.ExitCode() > 0 {
		return fmt.Sprintf("Firecracker: %s (%s)", last, m.process.Status())
	}
	return failure
}
