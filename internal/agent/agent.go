// Package agent is banger-vsock-agent: in the guest, it waits for the host's
// Configure, enters the image, and serves the host from then on.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/guestapi"
	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agent/notify"
	"github.com/bangervm/banger/internal/agent/pid1"
	"github.com/bangervm/banger/internal/agent/sockets"
	"github.com/bangervm/banger/internal/agent/sshserver"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/buildinfo"
)

// The roles of the one executable, its first argument. PID 1 has none.
const (
	RoleAgent  = pid1.RoleAgent // PID 1's child
	RoleOrphan = "orphan"       // PID 1 is the image's init; descriptor 4 is the state
	RoleWatch  = "watch"        // replaces an orphan that dies
	RoleSFTP   = "sftp"         // serves SFTP on stdin and stdout
)

// Main runs the role named by args (without the program's name) until it ends,
// and returns the exit status.
func Main(args []string) int {
	log := NewConsoleLog(os.Stderr)
	var err error
	switch {
	case inits.IsShutdown(os.Args[0]):
		err = inits.FinishShutdown()
	case filepath.Base(os.Args[0]) == agentrpc.GuestCommand:
		return notify.Command(context.Background(), agentrpc.NotifySocket, args, os.Stdout, os.Stderr)
	case os.Getpid() == 1: // the kernel passes its own arguments
		err = pid1.Run(log)
	case len(args) == 0:
		err = errors.New("this is the agent of a banger guest: it runs only there")
	case args[0] == RoleSFTP:
		err = serveSFTP()
	case args[0] == RoleWatch:
		err = watch()
	case args[0] == RoleAgent || args[0] == RoleOrphan:
		err = run(log, args[0])
	default:
		err = fmt.Errorf("unknown role %q", args[0])
	}
	if err != nil {
		log.Error("ended", "err", err)
		return 1
	}
	return 0
}

// How much the heap grows before a collection, in percent: see
// runtime/debug.SetGCPercent.
const (
	gcBooting = 800
	gcServing = 100
)

// agent is the process that talks to the host.
type agent struct {
	log    *slog.Logger
	state  *os.File
	parent atomic.Pointer[parent] // nil for an orphan
	api    *guestapi.Server
	ssh    *sshserver.Server

	mu    sync.Mutex // guards saved and watcher
	saved saved
	watch *os.Process

	program *program
	ctl     control
	wake    wake
	ready   atomic.Bool
	told    atomic.Bool  // that it is ready
	entered atomic.Int64 // ns from configured to ready; 0: not known
	owners  *sockets.Owners
}

func run(log *slog.Logger, role string) error {
	// Becoming ready allocates a few megabytes at most, and a collection in
	// between costs every boot some time.
	debug.SetGCPercent(gcBooting)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	a := &agent{log: log, state: os.NewFile(pid1.FDState, "state"), owners: sockets.NewOwners("/proc"), program: newProgram(), wake: realWake()}
	unix.CloseOnExec(pid1.FDState)
	a.api = guestapi.New(log, a.health, a.owners.ByPort)
	a.ssh = sshserver.New(log, []string{"/proc/self/exe", RoleSFTP})
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0) // best effort: without it the agent is as killable as anything

	var err error
	if a.saved, err = load(a.state); err != nil {
		return err
	}
	if role == RoleAgent {
		p, err := newParent(a.goingDown)
		if err != nil {
			return err
		}
		a.parent.Store(p)
	}
	if a.saved.Configured {
		if err := a.resume(); err != nil {
			return err
		}
	}
	go a.supervise(ctx)
	a.serve(ctx)
	if a.parent.Load() == nil {
		a.stopWatcher()
		if a.saved.EndsByReset && a.saved.Init.Flavour == inits.Systemd {
			if err := inits.PlaceShutdown(); err != nil {
				log.Warn("the machine will halt instead of ending", "err", err)
			}
		}
		a.goingDown(inits.GuessDown(a.saved.Init.Flavour))
	}
	return nil
}

// resume takes over from an agent that died in a configured guest.
func (a *agent) resume() error {
	if err := a.adopt(a.saved); err != nil {
		return err
	}
	a.listen()
	if a.parent.Load() == nil {
		return a.startWatcher()
	}
	return nil
}

// adopt gives the servers their identity.
func (a *agent) adopt(s saved) error {
	if err := a.ssh.SetIdentity(sshserver.Identity{HostKey: []byte(s.HostKey), AuthorizedKeys: s.Keys, Commands: s.commands()}); err != nil {
		return err
	}
	a.api.SetIdentity(guestapi.Identity{Token: s.Token, Commands: s.commands()})
	a.mu.Lock()
	a.saved = s
	a.mu.Unlock()
	a.ready.Store(true)
	a.program.begin()
	debug.SetGCPercent(gcServing)
	return nil
}

// listen takes what programs in the guest say of their sessions, from now on.
func (a *agent) listen() {
	if err := placeCommand("/"); err != nil {
		a.log.Warn("the command "+agentrpc.GuestCommand+" is not in the guest", "err", err)
	}
	go func() { // until the process ends
		if err := notify.Serve(context.Background(), agentrpc.NotifySocket, a.api.Said, a.log); err != nil {
			a.log.Warn("programs cannot say how their sessions are", "err", err)
		}
	}()
}

// handle decides on a stream from the host.
func (a *agent) handle(ctx context.Context, port uint32) func(net.Conn) {
	var serve func(context.Context, net.Conn)
	switch port {
	case agentrpc.APIPort:
		serve = a.api.ServeConn
	case agentrpc.SSHPort:
		serve = a.ssh.ServeConn
	default:
		return nil
	}
	return func(conn net.Conn) {
		defer func() {
			if p := recover(); p != nil {
				a.log.Error("a connection panicked", "port", fmt.Sprint(port), "panic", fmt.Sprint(p))
			}
		}()
		serve(ctx, conn)
	}
}

func (a *agent) goingDown(kind agentrpc.DownKind) {
	a.ctl.send(agentrpc.GuestMessage{GoingDown: &agentrpc.GoingDown{Kind: kind}})
}

func build() string {
	info := buildinfo.Current()
	if info.Commit == "" {
		return info.Version
	}
	return info.Version + "+" + info.Commit
}
