package monitors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	// goneLimit bounds how long a killed monitor and its VMM may take to be gone.
	goneLimit = 10 * time.Second
	// gonePause is between looks whether they are.
	gonePause = 20 * time.Millisecond
)

// End implements vm.Machines.
func (l *Launcher) End(ctx context.Context, vmID string) error {
	dir := l.dirs.VM(vmID)
	ctx, cancel := context.WithTimeout(ctx, goneLimit)
	defer cancel()
	for {
		absent, err := noMonitor(dir)
		if err != nil {
			return fmt.Errorf("look for the VM's monitor: %w", err)
		}
		if absent {
			l.sweepMachine(dir)
			return nil
		}
		err = killMonitor(ctx, dir)
		if ended := pace.Pause(ctx, gonePause); ended != nil {
			return fault.Wrap(fault.Unavailable, errors.Join(err, ended), "the VM's monitor does not exit")
		}
	}
}

// killMonitor kills the process that listens on the VM's socket; its VMM dies
// with it. The kernel says which process that is, and the lock, held after it
// is pinned by a descriptor, that it is no later one with the same id.
func killMonitor(ctx context.Context, dir statedir.VM) error {
	pid, err := monitorPID(ctx, dir)
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pin the monitor: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if absent, err := noMonitor(dir); absent || err != nil {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill the monitor: %w", err)
	}
	return nil
}

// monitorPID is the process that listens on the VM's socket, which need not
// answer for it.
func monitorPID(ctx context.Context, dir statedir.VM) (int, error) {
	conn, err := statedir.DialUnix(ctx, dir.MonitorSocket())
	if err != nil {
		return 0, fmt.Errorf("find the monitor: %w", err)
	}
	defer func() { _ = conn.Close() }()
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("find the monitor: a %T", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	switch {
	case errors.Join(err, peerErr) != nil:
		return 0, fmt.Errorf("find the monitor: %w", errors.Join(err, peerErr))
	case int(peer.Uid) != os.Getuid() || peer.Pid <= 1 || int(peer.Pid) == os.Getpid():
		return 0, fmt.Errorf("process %d of user %d is listening instead of the VM's monitor", peer.Pid, peer.Uid)
	}
	return int(peer.Pid), nil
}

// Answers returns nil when the VM's monitor answers, and what is wrong with it
// when not: at once where it was stopped by a signal.
func (l *Launcher) Answers(ctx context.Context, vmID string) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	m := &Machine{dir: l.dirs.VM(vmID)}
	if err := m.stopped(ctx); err != nil {
		return err
	}
	_, err := m.status(ctx)
	return err
}

// stopped is the fault of a monitor whose process was stopped by a signal, or nil.
func (m *Machine) stopped(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit) // a listener that nobody serves may be full
	defer cancel()
	pid, err := monitorPID(ctx, m.dir)
	if err != nil || !isStopped(pid) {
		return nil // whoever asks it is told what is wrong with it
	}
	return fault.New(fault.Unavailable, "the VM's monitor does not answer: its process was stopped").
		WithHint("let it go on: kill -CONT %d; or delete the VM without it: %s", pid, act.VMDelete.On(m.dir.ID(), act.Force))
}

func isStopped(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	return len(fields) > 0 && (fields[0] == "T" || fields[0] == "t")
}
