// Package pid1 is the guest's first process. It starts the agent as a child and
// keeps it alive, enters the image when the agent says so, and then becomes
// the image's init, or stays: then it reaps processes, and shuts the machine down.
package pid1

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

// Request is what the agent asks of PID 1: exactly one field is set. Each is
// answered by a Notice, except that a successful Exec ends the conversation.
type Request struct {
	SwitchRoot *SwitchRoot       `json:"switch_root,omitempty"`
	Exec       *Exec             `json:"exec,omitempty"` // the image's init
	Down       agentrpc.DownKind `json:"down,omitempty"`
	// EndsByReset has PID 1 reset the machine where it would power it off.
	EndsByReset bool `json:"ends_by_reset,omitempty"`
	// Told answers a Notice's GoingDown: the host knows.
	Told bool `json:"told,omitempty"`
}

// Notice is what PID 1 tells the agent: a Request's error (empty: done), or that
// the machine is going down.
type Notice struct {
	Error     string            `json:"error,omitempty"`
	GoingDown agentrpc.DownKind `json:"going_down,omitempty"`
}

// respawnDelay keeps an agent that dies at once from taking the whole CPU.
const respawnDelay = 500 * time.Millisecond

// RoleAgent is the argument of the agent as PID 1's child, which has the
// conversation and the state at these descriptors.
const (
	RoleAgent = "agent"
	FDParent  = 3
	FDState   = 4
)

// Run is PID 1. It returns only when it cannot even start.
func Run(log *slog.Logger) error {
	if err := mountEarly(); err != nil {
		return err
	}
	// Ctrl-alt-del becomes SIGINT, instead of a reset.
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil {
		log.Warn("disable ctrl-alt-del", "err", err)
	}
	if err := setLimits(); err != nil {
		log.Warn("limits of processes", "err", err)
	}
	state, err := unix.MemfdCreate("banger-state", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make the agent's state: %w", err)
	}
	p := &process{
		log:      log,
		state:    os.NewFile(uintptr(state), "state"),
		requests: make(chan Request),
		signals:  make(chan os.Signal, 16),
	}
	signal.Notify(p.signals, append(downSignals(), unix.SIGCHLD)...)
	if err := p.startAgent(); err != nil {
		return err
	}
	p.loop()
	return nil
}

func mountEarly() error {
	for _, m := range []struct{ path, fstype string }{{"/proc", "proc"}, {"/sys", "sysfs"}, {"/dev", "devtmpfs"}} {
		if err := os.MkdirAll(m.path, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.fstype, m.path, m.fstype, unix.MS_NOSUID, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.path, err)
		}
	}
	return nil
}

type process struct {
	log      *slog.Logger
	state    *os.File
	requests chan Request
	signals  chan os.Signal

	agent   int // its pid
	conv    net.Conn
	respawn <-chan time.Time
	resets  bool     // to power off
	disk    *os.File // of the VM, once the root is switched
	exits   *exits   // from then on, while this stays PID 1
}

// startAgent starts the agent from this process's own executable, which stays
// reachable by /proc/self/exe whatever the root is.
func (p *process) startAgent() error {
	ours, theirs, err := socketpair()
	if err != nil {
		return err
	}
	defer func() { _ = theirs.Close() }()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	defer func() { _ = null.Close() }()
	proc, err := os.StartProcess("/proc/self/exe", []string{"banger-vsock-agent", RoleAgent}, &os.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Files: []*os.File{null, os.Stdout, os.Stderr, theirs, p.state},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start the agent: %w", errors.Join(err, ours.Close()))
	}
	p.agent, p.conv = proc.Pid, ours
	if err := proc.Release(); err != nil { // reap waits for every child
		return err
	}
	go p.converse(ours)
	return nil
}

func socketpair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("talk to the agent: %w", err)
	}
	f := os.NewFile(uintptr(fds[0]), "agent")
	theirs = os.NewFile(uintptr(fds[1]), "pid1")
	ours, err = net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

func (p *process) converse(conv net.Conn) {
	dec := json.NewDecoder(conv)
	for {
		var req Request
		if err := dec.Decode(&req); err != nil {
			return // the agent is gone, and reap knows
		}
		p.requests <- req
	}
}

func (p *process) tell(n Notice) {
	data, err := json.Marshal(n)
	if err == nil {
		_ = p.conv.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = p.conv.Write(append(data, '\n'))
	}
	if err != nil {
		p.log.Warn("tell the agent", "err", err)
	}
}

func (p *process) loop() {
	for {
		select {
		case sig := <-p.signals:
			if sig == unix.SIGCHLD {
				p.reap()
				p.exits.bound()
			} else {
				p.goDown(p.kindOf(sig))
			}
		case req := <-p.requests:
			p.obey(req)
		case <-p.respawn:
			p.respawn = nil
			if err := p.startAgent(); err != nil {
				p.log.Error("cannot start the agent again", "err", err)
				p.respawn = time.After(respawnDelay)
			}
		}
	}
}

func (p *process) obey(req Request) {
	switch {
	case req.SwitchRoot != nil:
		p.tell(notice(p.switchRoot(*req.SwitchRoot)))
	case req.Exec != nil:
		p.log.Info("starting the image's init", "path", req.Exec.Path)
		p.tell(notice(p.exec(*req.Exec)))
	case req.EndsByReset:
		p.resets = true
		p.tell(Notice{})
	case req.Down != "":
		p.goDown(req.Down)
	}
}

func notice(err error) Notice {
	if err != nil {
		return Notice{Error: err.Error()}
	}
	return Notice{}
}

// reap waits for every child that has ended: those of others became ours.
func (p *process) reap() (left bool) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false // no children
		case pid == 0:
			return true
		case pid == p.agent:
			p.log.Error("the agent ended; starting it again", "status", fmt.Sprintf("%#x", uint32(ws)))
			p.agent = 0
			_ = p.conv.Close()
			p.respawn = time.After(respawnDelay)
		}
	}
}
