package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/vmm"
)

// maxSaid bounds what is kept of the last that QEMU said on stderr, in bytes.
const maxSaid = 2 << 10

// process is a started QEMU.
type process struct {
	cmd    *exec.Cmd
	said   *tail
	exited chan struct{} // closed when status is set
	status error         // of Wait

	confinement confine.Report
}

// reportLimit bounds the wait for what the step before QEMU says.
const reportLimit = 20 * time.Second

// startConfined starts QEMU with as little of the host as it needs, in
// namespaces where this host gives them.
func (d *Driver) startConfined(spec vmm.Spec, site vmm.Site, args []string, ends, disks []*os.File) (*process, error) {
	files := append(slices.Clone(ends), disks...)
	if len(site.Confine) == 0 {
		return startProcess(spec.Program, args, site.Dir, files, &syscall.SysProcAttr{})
	}
	plan, err := d.plan(spec, disks)
	if err != nil {
		return nil, err
	}
	plan.Namespaces, plan.ReportFD = true, 3+len(files)
	p, err := startPlan(plan, site, spec.Program, args, files)
	if err != nil && confine.NoNamespaces(err) {
		plan.Namespaces = false
		p, err = startPlan(plan, site, spec.Program, args, files)
	}
	return p, err
}

func startPlan(plan confine.Plan, site vmm.Site, program string, args []string, files []*os.File) (*process, error) {
	args, err := plan.Arguments(program, args)
	if err != nil {
		return nil, err
	}
	report, told, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = report.Close() }()
	attr := &syscall.SysProcAttr{}
	if plan.Namespaces {
		confine.Namespaces(attr, os.Getuid())
	}
	p, err := startProcess(site.Confine[0], append(slices.Clone(site.Confine[1:]), args...), site.Dir, append(slices.Clone(files), told), attr)
	_ = told.Close()
	if err != nil {
		return nil, err
	}
	_ = report.SetReadDeadline(time.Now().Add(reportLimit))
	line, _ := bufio.NewReader(io.LimitReader(report, maxSaid)).ReadString('\n') // what failed QEMU's end tells
	p.confinement = confine.ParseReport(strings.TrimSpace(line))
	return p, nil
}

// startProcess starts QEMU so that it dies with this process: the
// parent-death signal goes by the thread that forked, so that thread waits here
// for QEMU's end and does nothing else.
func startProcess(path string, args []string, dir string, files []*os.File, attr *syscall.SysProcAttr) (*process, error) {
	p := &process{said: &tail{}, exited: make(chan struct{})}
	p.cmd = exec.Command(path, args...) //nolint:noctx // it lives until the guest or Signal ends it
	p.cmd.Dir = dir
	p.cmd.Stderr = p.said
	p.cmd.ExtraFiles = files
	attr.Pdeathsig = syscall.SIGKILL
	p.cmd.SysProcAttr = attr
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.status = p.cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return p, nil
}

// signal is Process.Signal, which never reaches a later process with the
// same id.
func (p *process) signal(sig os.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// failure says how the process ended when it did not end in order, after
// exited; empty when it did.
func (p *process) failure() string {
	if p.status == nil {
		return ""
	}
	how := p.status.Error()
	if sig := p.deathSignal(); sig != 0 {
		how = "killed by " + signalName(sig)
	}
	if said := p.said.last(); said != "" {
		return "QEMU: " + how + ": " + said
	}
	return "QEMU: " + how
}

// deathSignal is the signal that ended the process, after exited; 0 if none did.
func (p *process) deathSignal() syscall.Signal {
	if p.cmd.ProcessState == nil {
		return 0
	}
	ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return 0
	}
	return ws.Signal()
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

// tail keeps the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - maxSaid; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// last is the last line that says something, without QEMU's own name.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.buf)), "\n")
	line := plain.Line(lines[len(lines)-1], maxSaid)
	if name, rest, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(name, "qemu-system-") {
		line = rest
	}
	return strings.TrimSpace(line)
}
