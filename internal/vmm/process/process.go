// Package process runs a VMM as a child of this process, confined, which dies with it.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/child"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/tap"
)

// maxSaid bounds what is kept of the last that a VMM said on stderr, in bytes.
const maxSaid = 2 << 10

// Command is a VMM to start.
type Command struct {
	Name    string // of the VMM, for people
	Self    string // how its own name begins, in what it says on stderr
	Program string
	Args    []string
	Dir     string
	Files   []*os.File // inherited as descriptors 3, 4, …; the caller closes them
	Stdout  io.Writer  // takes what it says on stdout, as it comes; nil: nobody reads it
	// Group is the directory of the control group that it starts in; empty: ours.
	Group string
	// Confine starts `bangerd confine`, by which the VMM gives up all but what Plan
	// says. Empty: it gives up nothing.
	Confine []string
	// Plan is without Namespaces, Mounts, DiesWithParent and ReportFD. A TAP needs Confine: without namespaces
	// the VMM does not start.
	Plan confine.Plan
}

// Process is a started VMM.
type Process struct {
	// Exited is closed when the process has ended and is reaped.
	Exited chan struct{}

	name, self  string
	cmd         *exec.Cmd
	said        *tail
	status      error // of Wait, once Exited
	confinement confine.Report
	nic         *tap.Conn // nil: none
	// supervised is the VMM, where cmd is only its supervisor; nil: cmd is the VMM.
	supervised *os.Process
}

// Start starts a VMM, in its own namespaces and in the control group where this
// host gives them and it is confined.
func Start(c Command) (*Process, error) {
	if len(c.Confine) == 0 {
		return c.start(c.Program, c.Args, c.Files, &syscall.SysProcAttr{})
	}
	c.Plan.ReportFD = 3 + len(c.Files)
	c.Plan.DiesWithParent = true
	var p *Process
	var err error
	for _, way := range c.ways() {
		if p, err = way.startPlan(); err == nil || !confine.NoNamespaces(err) {
			return p, err
		}
	}
	if c.Plan.TAP != nil {
		err = fault.Wrap(fault.Unavailable, err, "this host gives you no network namespace, which the VM's network needs").
			WithHint("to see what refuses it: %s", act.Doctor.Do())
	}
	return nil, err
}

func (c Command) startPlan() (*Process, error) {
	args, err := c.Plan.Arguments(c.Program, c.Args)
	if err != nil {
		return nil, err
	}
	report, told, err := reportSocket()
	if err != nil {
		return nil, err
	}
	defer func() { _ = report.Close() }()
	attr := &syscall.SysProcAttr{}
	if c.Plan.JailedAs > 0 {
		confine.JailNamespaces(attr)
	}
	if c.Plan.Namespaces {
		confine.Namespaces(attr, os.Getuid(), c.capabilities()...)
		if c.Plan.Mounts {
			attr.Cloneflags |= syscall.CLONE_NEWNS
		}
	}
	closeGroup, err := enterGroup(attr, c.Group)
	if err != nil {
		return nil, errors.Join(err, told.Close())
	}
	p, err := c.start(c.Confine[0], slices.Concat(c.Confine[1:], args), append(slices.Clone(c.Files), told), attr)
	closeGroup()
	_ = told.Close()
	if err != nil {
		return nil, err
	}
	if err := p.read(report, c.Plan); err != nil {
		return nil, p.abandon(err)
	}
	p.confinement = append(p.confinement, groupReport(c.Group)...)
	if c.Plan.JailedAs > 0 {
		if p.supervised, err = onlyChild(p.cmd.Process.Pid); err != nil {
			return nil, p.abandon(err)
		}
	}
	return p, nil
}

// capabilities are those that the step before the VMM needs in its namespaces.
func (c Command) capabilities() []uintptr {
	var needed []uintptr
	if c.Plan.TAP != nil {
		needed = append(needed, unix.CAP_NET_ADMIN)
	}
	if c.Plan.Mounts {
		needed = append(needed, unix.CAP_SYS_ADMIN)
	}
	if c.Plan.Room != "" {
		needed = append(needed, unix.CAP_SYS_CHROOT)
	}
	return needed
}

// start starts a program so that it dies with this process.
func (c Command) start(path string, args []string, files []*os.File, attr *syscall.SysProcAttr) (*Process, error) {
	p := &Process{Exited: make(chan struct{}), name: c.Name, self: c.Self, said: &tail{}}
	p.cmd = exec.Command(path, args...) //nolint:noctx // it lives until the guest or Signal ends it
	p.cmd.Dir = c.Dir
	p.cmd.Stdout, p.cmd.Stderr = c.Stdout, p.said
	p.cmd.ExtraFiles = files
	p.cmd.SysProcAttr = attr
	ended, err := child.Start(p.cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	go func() {
		p.status = <-ended
		close(p.Exited)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.target().Pid }

func (p *Process) target() *os.Process {
	if p.supervised != nil {
		return p.supervised
	}
	return p.cmd.Process
}

// Confinement is what the VMM gave up of the host, as words for people.
func (p *Process) Confinement() string { return p.confinement.String() }

// Signal sends a signal, never to a later process with the same id. A process that
// has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	err := p.target().Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Failure says how the process ended when it did not end in order, after
// Exited; empty when it did.
func (p *Process) Failure() string {
	if p.status == nil {
		return ""
	}
	how := p.Status()
	if said := p.said.last(p.self); said != "" {
		return p.name + ": " + how + ": " + said
	}
	return p.name + ": " + how
}

// Status says how the process ended, after Exited: "exit status 1", "killed by SIGKILL".
func (p *Process) Status() string {
	if sig := p.DeathSignal(); sig != 0 {
		return "killed by " + signalName(sig)
	}
	return p.cmd.ProcessState.String()
}

// ExitCode is the exit status, after Exited; -1 if a signal ended the process.
func (p *Process) ExitCode() int {
	if p.cmd.ProcessState == nil {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// DeathSignal is the signal that ended the process, after Exited; 0 if none did.
func (p *Process) DeathSignal() syscall.Signal {
	if p.cmd.ProcessState == nil {
		return 0
	}
	ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && ws.Signaled():
		return ws.Signal()
	case ok && p.supervised != nil:
		return confine.SupervisedSignal(ws.ExitStatus())
	default:
		return 0
	}
}

func signalName(sig syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGKILL: "SIGKILL", syscall.SIGSEGV: "SIGSEGV", syscall.SIGABRT: "SIGABRT", syscall.SIGBUS: "SIGBUS",
		syscall.SIGILL: "SIGILL", syscall.SIGFPE: "SIGFPE", syscall.SIGQUIT: "SIGQUIT", syscall.SIGTERM: "SIGTERM",
		syscall.SIGINT: "SIGINT", syscall.SIGHUP: "SIGHUP", syscall.SIGSYS: "SIGSYS (its sandbox)", syscall.SIGTRAP: "SIGTRAP",
		syscall.SIGXCPU: "SIGXCPU", syscall.SIGXFSZ: "SIGXFSZ", syscall.SIGPIPE: "SIGPIPE", syscall.SIGALRM: "SIGALRM",
		syscall.SIGUSR1: "SIGUSR1", syscall.SIGUSR2: "SIGUSR2",
	}
	if name, ok := names[sig]; ok {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}
