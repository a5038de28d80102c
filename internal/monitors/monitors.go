// Package monitors is bangerd's side of the monitors: it starts one for a VM,
// finds those that live, and speaks monitorrpc with them.
package monitors

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"syscall"

	"github.com/bangervm/banger/internal/child"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// maxExit and maxWord bound exit.json and a monitor's first word, in bytes.
	maxExit = 64 << 10
	maxWord = 64 << 10
)

// Launcher starts and finds monitors. It is safe for concurrent use; the VM
// service sees to it that one VM has one start at a time.
type Launcher struct {
	dirs    statedir.Dirs
	command []string
	confine []string // empty: monitors are not confined
	needs   Needs
	sweep   Sweep
	saved   OpenSaved // nil: there are none
	log     *slog.Logger
}

var _ vm.Machines = (*Launcher)(nil)

// New returns a Launcher. command is what starts a monitor, without the VM's
// directory: bangerd's own executable and "monitor".
func New(dirs statedir.Dirs, command []string, log *slog.Logger) *Launcher {
	return &Launcher{dirs: dirs, command: command, log: log}
}

// Start implements vm.Machines.
func (l *Launcher) Start(ctx context.Context, spec vm.Spec) (vm.Machine, error) {
	dir := l.dirs.VM(spec.VMID)
	files := l.openTemplate(&spec)
	defer closeAll(files)
	if err := prepare(dir, spec); err != nil {
		return nil, err
	}
	cmd, word, err := l.spawn(dir, spec, files)
	if err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() { // while we live it is ours to reap, later init's
		defer close(exited)
		err := cmd.Wait()
		l.log.Debug("a monitor ended", "vm", spec.VMID, "pid", cmd.Process.Pid, "err", err)
	}()
	m := &Machine{dir: dir, startID: spec.StartID}
	err = await(ctx, word)
	// Whoever could use the secrets has them in memory now, or has ended.
	l.forgetSecrets(dir, spec)
	if err == nil {
		_, err = m.status(ctx) // also sees whether we understand each other
	}
	if err != nil {
		// Its VMM dies with it.
		_ = cmd.Process.Kill()
		<-exited
		return nil, err
	}
	return m, nil
}

// prepare writes the spec and removes how the start before ended.
func prepare(dir statedir.VM, spec vm.Spec) error {
	if err := os.Mkdir(dir.Run(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the VM's run directory: %w", err)
	}
	if err := os.Mkdir(dir.Room(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the directory of the VMM's root: %w", err)
	}
	if err := os.Remove(dir.Exit()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget how the VM ended: %w", err)
	}
	return writeSpec(dir, spec)
}

func writeSpec(dir statedir.VM, spec vm.Spec) error {
	data, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	staging := dir.Spec() + statedir.StagingSuffix
	err = os.WriteFile(staging, append(data, '\n'), 0o600)
	if err == nil {
		err = os.Rename(staging, dir.Spec())
	}
	if err != nil {
		return fmt.Errorf("write the VM's spec: %w", errors.Join(err, ignoreMissing(os.Remove(staging))))
	}
	return nil
}

// spawn starts the monitor in its own session, with nothing of ours but
// the pipe on which it says how its start went, and these files.
func (l *Launcher) spawn(dir statedir.VM, spec vm.Spec, files []*os.File) (cmd *exec.Cmd, word *os.File, err error) {
	logFile, err := openLog(dir.MonitorLog())
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = logFile.Close() }()
	word, told, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = told.Close() }()
	for _, mounts := range []bool{true, false} {
		cmd, err = l.monitorCommand(dir, spec, mounts)
		if err != nil {
			return nil, nil, errors.Join(err, word.Close())
		}
		cmd.Dir = "/"
		cmd.Stdout, cmd.Stderr = logFile, logFile
		cmd.ExtraFiles = append([]*os.File{told}, files...) // become monitorrpc.ReadyFD, StateFD, MemoryFD
		child.GiveOnly()
		if err = cmd.Start(); err == nil {
			return cmd, word, nil
		}
		if !confine.NoNamespaces(err) {
			break
		}
	}
	return nil, nil, fault.Wrap(fault.Unavailable, errors.Join(err, word.Close()), "start the VM's monitor")
}

// openLog opens the monitor's log, which the monitor itself keeps bounded.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the monitor's log: %w", err)
	}
	return f, nil
}

// await reads the monitor's first word, within ctx, and closes word.
func await(ctx context.Context, word *os.File) error {
	defer func() { _ = word.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = word.Close() })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(word, maxWord)).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(fault.Canceled, ctx.Err(), "the start was canceled")
	case line == monitorrpc.ReadyLine:
		return nil
	case errors.Is(err, io.EOF):
		return fault.New(fault.Internal, "the VM's monitor exited without a message").
			WithHint("see monitor.log in the VM's directory")
	case err != nil:
		return fmt.Errorf("wait for the VM's monitor: %w", err)
	}
	var p fault.Problem
	if json.Unmarshal([]byte(line), &p) != nil || p.Code == "" {
		return fault.New(fault.Internal, "the VM's monitor said %.200q", line)
	}
	return p.Fault()
}

// Adopt implements vm.Machines.
func (l *Launcher) Adopt(ctx context.Context, vmID string) (vm.Machine, error) {
	dir := l.dirs.VM(vmID)
	m := &Machine{dir: dir}
	status, err := m.status(ctx)
	if err != nil {
		if absent, lockErr := noMonitor(dir); absent && lockErr == nil {
			l.sweepSecrets(dir)
			l.sweepMachine(dir)
			return nil, fault.New(fault.NotFound, "VM %s has no monitor", vmID)
		}
		return nil, err
	}
	m.startID = status.StartID
	l.sweepSecrets(dir)
	return m, nil
}

// noMonitor reports whether there is surely no monitor: one holds a lock as
// long as it lives.
func noMonitor(dir statedir.VM) (bool, error) {
	f, err := os.Open(dir.MonitorLock())
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// LastExit implements vm.Machines.
func (l *Launcher) LastExit(_ context.Context, vmID string) (vm.Exit, error) {
	data, err := regularfile.Read(l.dirs.VM(vmID).Exit(), maxExit)
	if errors.Is(err, fault.NotFound) {
		return vm.Exit{}, fault.New(fault.NotFound, "no end of VM %s is recorded", vmID)
	}
	if err != nil {
		return vm.Exit{}, err
	}
	return parseExit(data)
}

func parseExit(data []byte) (vm.Exit, error) {
	var exit vm.Exit
	if err := json.Unmarshal(data, &exit); err != nil {
		return vm.Exit{}, fault.Wrap(fault.Internal, err, "cannot read exit.json")
	}
	if exit.Format < 1 || exit.Format > vm.ExitFormat {
		return vm.Exit{}, fault.New(fault.Invalid, "exit.json has format %d, this build knows 1 to %d", exit.Format, vm.ExitFormat)
	}
	return exit, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
