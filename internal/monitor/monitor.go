package monitor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// maxLog bounds console.log and egress.log, in bytes; with the one before it,
// console.log.1, a log takes at most twice that.
const maxLog = 8 << 20

// entropyBytes is how much each boot gets.
const entropyBytes = 64

// lockWait is how long an earlier monitor of the VM may take to leave.
const lockWait = 10 * time.Second

// Main runs the VM whose directory is dir, until it has ended and exit.json
// says how. up is called once, when the VMM runs and monitor.sock answers.
// Cancelling ctx asks the guest to go down. An error means that the VM did not
// start; it is in exit.json too, unless the directory cannot be used or another
// monitor is at work there.
func Main(ctx context.Context, dir string, up func(), log *slog.Logger) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	v := statedir.VM(dir)
	if err := enter(v); err != nil {
		return err
	}
	unlock, err := lock(ctx, v)
	if err != nil {
		return err
	}
	defer unlock()
	spec, err := readSpec(v)
	if err != nil {
		return err
	}
	driver, noDriver := drivers.Named(spec.Driver)
	log = log.With("vm", spec.VMID, "name", spec.Name)
	if spec.Saves {
		if noDriver != nil {
			return noDriver
		}
		return saveMachine(ctx, v, spec, driver, up, log)
	}
	saved := inheritSaved(spec)
	console, err := openConsole(v.Console(), maxLog)
	if err != nil {
		return err
	}
	defer func() { _ = console.Close() }()
	network, err := openNetwork(v, spec, log) //nolint:contextcheck // it lives until run closes it
	if err != nil {
		return err
	}
	site := vmm.Site{
		Dir: ".", Console: console.of(spec), NIC: network.attach, Confine: confineStep(), Group: os.Getenv(confine.GroupEnv),
		Room: os.Getenv(confine.RoomEnv), Log: log,
	}
	start := func(ctx context.Context, with func(*vmm.Spec)) (vmm.Machine, error) {
		if noDriver != nil {
			return nil, noDriver
		}
		machine := machineSpec(spec)
		with(&machine)
		return driver.Start(ctx, machine, site)
	}
	m := &monitor{
		dir: v, spec: spec, console: console, network: network, log: log,
		start:   func(ctx context.Context) (vmm.Machine, error) { return start(ctx, func(*vmm.Spec) {}) },
		restore: restorer(saved, start),
		resume:  resuming(v, spec, start),
	}
	return m.run(ctx, up)
}

// confineStep is how this executable confines a program that it starts.
func confineStep() []string { return []string{"/proc/self/exe", "confine"} }

// enter makes the run directory the working directory, so that the paths of
// the sockets in it are short, and sweeps what an earlier monitor left there.
func enter(v statedir.VM) error {
	if err := os.Mkdir(v.Run(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Chdir(v.Run())
}

// lock makes this the VM's only monitor. It is held until the process ends,
// however it ends.
func lock(ctx context.Context, v statedir.VM) (unlock func(), err error) {
	f, err := os.OpenFile(v.MonitorLock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	got := make(chan error, 1)
	go func() { got <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }()
	timer := time.NewTimer(lockWait)
	defer timer.Stop()
	select {
	case err = <-got:
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = fault.New(fault.Busy, "another monitor is running in %s", v)
	}
	if err != nil {
		return nil, err // the descriptor goes with the process
	}
	return func() { _ = f.Close() }, nil
}

// monitor is what runs one VM in its own working directory.
type monitor struct {
	dir     statedir.VM
	spec    vm.Spec
	console *consoleLog
	network *hostNet // run closes it
	start   starter
	restore starter // nil: the machine boots
	resume  resumer // nil: the VM is not suspended
	log     *slog.Logger
}

// Names in the run directory, which is the working directory.
const (
	monitorSocket       = "monitor.sock"
	neighbourSocketName = "neighbour.sock"
)

func (m *monitor) run(ctx context.Context, up func()) error {
	s := m.supervisor()
	m.network.news.Store(s.board)
	defer m.sweep()
	control, err := statedir.ListenUnix(controlSocket())
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the agent: %w", err), m.network.Close())
	}
	listener, err := statedir.ListenUnix(monitorSocket)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for bangerd: %w", err), control.Close(), m.network.Close())
	}
	listener.Refuses = startedHere
	stopHTTP := serveHTTP(ctx, listener, s, m.network, m.log)
	agentCtx, stopAgents := context.WithCancel(context.WithoutCancel(ctx))
	var agents sync.WaitGroup
	agents.Go(func() { serveAgents(agentCtx, control, s.agents, m.log) })

	exit := s.run(ctx, up)

	_ = control.Close()
	stopAgents()
	agents.Wait()
	if err := m.network.Close(); err != nil {
		m.log.Warn("close the network", "err", err)
	}
	m.log.Info("ended", "reason", exit.Reason, "message", exit.Message, "failed", exit.Failed, "boots", exit.Boots)
	err = writeExit(m.dir, exit)
	m.sweep() // before anybody learns of the end
	s.showExit(exit)
	stopHTTP()
	if exit.Problem != nil {
		err = errors.Join(exit.Problem.Fault(), err)
	}
	return err
}

func (m *monitor) supervisor() *supervisor {
	now := time.Now().UTC()
	build := buildinfo.Current()
	status := monitorrpc.Status{
		Protocol:  monitorrpc.Version,
		Build:     build.Version + "+" + build.Commit,
		VMID:      m.spec.VMID,
		StartID:   m.spec.StartID,
		Driver:    m.spec.Driver,
		PID:       os.Getpid(),
		Phase:     monitorrpc.PhaseBooting,
		StartedAt: now,

		MonitorConfinement: confine.OwnReport().String(),
	}
	return &supervisor{
		spec: m.spec, start: m.start, restore: m.restore, resume: m.resume, suspend: storing(m.dir, m.spec), network: m.network,
		entropy: entropy, cpu: cpuOf, console: m.console.lastLines, ports: m.network.ports,
		board: newBoard(status), status: status, log: m.log,
		requests: make(chan func()), agents: make(chan agentInput), done: make(chan struct{}),
	}
}

func entropy() ([]byte, error) {
	b := make([]byte, entropyBytes)
	_, err := rand.Read(b)
	return b, err
}

func controlSocket() string {
	return vmm.VsockSocket + "_" + strconv.Itoa(agentrpc.ControlPort)
}

// sweep removes the monitor's sockets; a machine removes its own.
func (m *monitor) sweep() {
	for _, name := range []string{monitorSocket, controlSocket(), neighbourSocketName} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.log.Warn("remove a socket", "err", err)
		}
	}
}
