package monitor

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	termSignal = syscall.SIGTERM
	killSignal = syscall.SIGKILL
)

// pressLimit bounds a key press or a resume on the way down.
const pressLimit = 5 * time.Second

// stop begins the way down: the agent is asked, or else ctrl-alt-del is pressed;
// after timeout the machine is ended hard. Asked again, only a nearer deadline
// counts. The end of ctx, the asker's, does not matter.
func (s *supervisor) stop(ctx context.Context, timeout time.Duration) {
	if timeout <= 0 {
		s.stopping = true
		s.status.Phase = monitorrpc.PhaseStopping
		s.endHard()
		return
	}
	if s.stopping {
		if s.deadlineAt.IsZero() || time.Now().Add(timeout).Before(s.deadlineAt) {
			s.setDeadline(timeout)
		}
		return
	}
	s.stopping = true
	s.setDeadline(timeout)
	s.end(ctx)
}

func (s *supervisor) setDeadline(d time.Duration) {
	s.deadlineAt = time.Now().Add(d)
	s.deadline.Reset(d)
}

// end asks the guest to go down.
func (s *supervisor) end(ctx context.Context) {
	s.status.Phase = monitorrpc.PhaseStopping
	m, resume := s.machine, s.status.Paused
	if s.send(agentrpc.HostMessage{Shutdown: &agentrpc.Shutdown{Kind: agentrpc.DownPoweroff}}) {
		if resume {
			s.aside(ctx, "resume the machine so that it can go down", m.Resume)
		}
		return
	}
	s.aside(ctx, "press ctrl-alt-del", func(ctx context.Context) error {
		if resume {
			if err := m.Resume(ctx); err != nil {
				return err
			}
		}
		return m.Press(ctx)
	})
}

// aside does what may take the VMM a while, without holding up the supervisor.
// If it goes wrong the deadline settles it.
func (s *supervisor) aside(ctx context.Context, what string, do func(context.Context) error) {
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pressLimit)
		defer cancel()
		if err := do(ctx); err != nil {
			s.log.Warn(what, "err", err)
		}
	}()
}

// endHard ends the VMM without the guest's consent.
func (s *supervisor) endHard() {
	s.forced = true
	s.deadline.Stop()
	s.signal(termSignal)
	s.last.Reset(termGrace)
}

func (s *supervisor) signal(sig os.Signal) {
	if err := s.machine.Signal(sig); err != nil {
		s.log.Warn("signal the VMM", "signal", sig, "err", err)
	}
}

// kill sends a signal to the VMM because bangerd asked for it.
func (s *supervisor) kill(number int) error {
	s.killed = number
	return s.machine.Signal(syscall.Signal(number))
}

// judge says what the end of the VMM means: the VM's end, or another boot.
func (s *supervisor) judge(e vmm.Exit) (vm.Exit, bool) {
	s.stopTimers(s.hello, s.last)
	e = s.asAnnounced(e)
	if !s.hung {
		s.ready.Stop()
	}
	switch {
	case s.suspended:
		return s.exit(vm.ReasonSuspended, "", false), true
	case s.wasKilled(e):
		return s.exit(vm.ReasonKilled, e.Detail, false), true
	case s.notReady:
		return s.exit(vm.ReasonNotReady, s.whyNotUp(s.failure), true), true
	case s.failure != "":
		return s.exit(vm.ReasonGuestFailed, s.failure, true), true
	case s.forced, s.hung && s.stopping:
		return s.exit(vm.ReasonForced, "", false), true
	case s.hung:
		return vm.Exit{}, false
	case s.restored && !s.stopping:
		s.notRestored("the saved machine ended: " + e.Detail)
		return vm.Exit{}, false
	case e.Cause == vmm.Failed:
		return s.exit(vm.ReasonVMMFailed, e.Detail, true), true
	case s.stopping:
		return s.exit(vm.ReasonStopped, "", false), true
	case e.Cause == vmm.HostShutdown:
		return s.exit(vm.ReasonVMMFailed, "the VMM exited cleanly, although banger did not ask it to", true), true
	case !s.wasReady:
		return s.exit(vm.ReasonGuestFailed, s.whyNotUp(e.Detail+" before it was ready"), true), true
	case e.Cause == vmm.GuestOff:
		return s.exit(vm.ReasonPoweroff, "", false), true
	}
	if status, ok := initEnded(s.console(tailBytes)); ok && s.status.Init != agentInit {
		if status == 0 || s.announced {
			return s.exit(vm.ReasonPoweroff, "", false), true
		}
		return s.exit(vm.ReasonGuestFailed, fmt.Sprintf("the image's init (PID 1) ended with status %d", status), true), true
	}
	if !s.mayReset(time.Now()) {
		return s.exit(vm.ReasonReset, fmt.Sprintf("the guest reset %d times within %v", maxResets+1, resetWindow), true), true
	}
	if !s.announced {
		s.log.Warn("the guest reset without an announcement", "console", s.console(consoleLines))
	}
	return vm.Exit{}, false
}

// agentInit is agentrpc.Ready's Init of a guest whose PID 1 is the agent.
const agentInit = "agent"

// initPanic is what the kernel says when PID 1 ends. Many inits of container images
// end when they are told to, or when their program has. No boot follows one, so that
// the console has it of the last boot only.
var initPanic = regexp.MustCompile(`Kernel panic - not syncing: Attempted to kill init! exitcode=0x([0-9a-f]{1,8})\b`)

// initEnded returns with which status PID 1 ended, as a shell has it, if the machine
// went down because of that.
func initEnded(console string) (status int, ok bool) {
	m := initPanic.FindStringSubmatch(console)
	if m == nil {
		return 0, false
	}
	code, err := strconv.ParseUint(m[1], 16, 32)
	if err != nil {
		return 0, false
	}
	ws := syscall.WaitStatus(code)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), true
	}
	return ws.ExitStatus(), true
}

func (s *supervisor) wasKilled(e vmm.Exit) bool {
	if s.killed == 0 {
		return false
	}
	if e.Signal != 0 {
		return e.Signal == s.killed
	}
	switch syscall.Signal(s.killed) { // what a VMM handles, and ends by in order
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP:
		return e.Cause == vmm.HostShutdown
	default:
		return false
	}
}

// mayReset counts a reset, and reports whether there have not been too many.
func (s *supervisor) mayReset(now time.Time) bool {
	for len(s.resets) > 0 && now.Sub(s.resets[0]) > resetWindow {
		s.resets = s.resets[1:]
	}
	s.resets = append(s.resets, now)
	return len(s.resets) <= maxResets
}

func (s *supervisor) withConsole(message string) string {
	if lines := s.console(consoleLines); lines != "" {
		return message + "; the console's last lines:\n" + lines
	}
	return message
}

// whyNotUp is withConsole, or the reason if the console tells one that the user
// can do something about.
func (s *supervisor) whyNotUp(message string) string {
	if ranOutOfMemory(s.console(tailBytes)) {
		return fmt.Sprintf("the VM's memory of %d MiB is too little for its kernel to boot: give it more memory",
			s.spec.MemoryBytes>>20)
	}
	return s.withConsole(message)
}

// ranOutOfMemory reports whether a kernel that came to nothing said that it
// lacked memory.
func ranOutOfMemory(console string) bool {
	for _, words := range []string{
		"System is deadlocked on memory", "Out of memory and no killable processes", "not syncing: Out of memory",
		"Initramfs unpacking failed: write error", "Failed to execute /init (error -12)", "initrd too large",
		"extends beyond end of memory", "Out of memory: Killed process 1 ",
	} {
		if strings.Contains(console, words) {
			return true
		}
	}
	return false
}
