package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/configure"
	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agent/pid1"
	"github.com/bangervm/banger/internal/agentrpc"
)

// configure gives the machine its identity, once.
func (a *agent) configure(ctx context.Context, cfg *agentrpc.Configure) {
	if a.ready.Load() {
		a.sendReady()
		return
	}
	p := a.parent.Load()
	if p == nil {
		return // an orphan is configured, or the machine is lost
	}
	stages := newStages(a.ctl.send)
	result, err := a.become(ctx, p, cfg, stages.begin)
	stage := stages.end()
	if err == nil {
		a.sendReady()
		a.log.Info("ready", "hostname", cfg.Hostname, "init", string(result.Init.Flavour))
		go a.afterReady(result)
		return
	}
	a.log.Error("configure", "stage", stage, "err", err)
	a.ctl.send(agentrpc.GuestMessage{Failed: &agentrpc.Failed{Stage: stage, Message: err.Error()}})
	if err := p.send(pid1.Request{Down: agentrpc.DownPoweroff}); err != nil {
		a.log.Error("power off", "err", err)
	}
}

func (a *agent) become(ctx context.Context, p *parent, cfg *agentrpc.Configure, begin func(string)) (configure.Result, error) {
	if cfg.EndsByReset {
		if err := p.ask(pid1.Request{EndsByReset: true}); err != nil {
			return configure.Result{}, err
		}
	}
	result, err := configure.Run(ctx, cfg, begin)
	if err != nil {
		return result, err
	}
	if result.Without6 {
		a.log.Warn("this kernel has no IPv6: the network has IPv4 only")
	}
	for _, note := range result.Notes {
		a.log.Warn("a step of the guest's setup failed", "note", note)
	}
	begin("enter")
	configured := time.Now()
	if result.Init.Flavour == inits.Agent {
		if err := configure.MountCgroups(); err != nil {
			a.log.Warn("mount the control groups", "err", err)
		}
	}
	if err := switchRoot(p); err != nil {
		return result, err
	}
	s := savedFrom(cfg, result)
	if err := save(a.state, s); err != nil {
		return result, err
	}
	if result.Init.Flavour != inits.Agent {
		if err := a.startWatcher(); err != nil {
			return result, err
		}
		if err := p.ask(pid1.Request{Exec: s.initProgram()}); err != nil {
			return result, err
		}
		a.parent.Store(nil)
	}
	if err := a.adopt(s); err != nil {
		return result, err
	}
	a.listen() //nolint:contextcheck // until the process ends
	a.entered.Store(int64(time.Since(configured)))
	return result, nil
}

// afterReady does what no boot waits for.
func (a *agent) afterReady(result configure.Result) {
	if err := result.LoadLate(); err != nil {
		a.log.Warn("load the late kernel modules", "err", err)
	}
	if result.Sweep == nil {
		return
	}
	if err := result.Sweep(); err != nil {
		a.log.Warn("remove what the reset left", "err", err)
	}
}

// switchRoot makes the configured tree the root of PID 1 and of this process.
func switchRoot(p *parent) error {
	root, err := os.Open(configure.Root)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	// The modules are loaded, and the initramfs is memory.
	_ = os.RemoveAll(agentrpc.InitramfsModulesDir)
	if err := p.ask(pid1.Request{SwitchRoot: &pid1.SwitchRoot{Root: configure.Root, Disk: configure.DirVM}}); err != nil {
		return err
	}
	if err := root.Chdir(); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("enter the new root: %w", err)
	}
	return os.Chdir("/")
}

// bootID is made by the kernel at its first reading.
const bootID = "/proc/sys/kernel/random/boot_id"

func (a *agent) sendReady() {
	a.mu.Lock()
	ready := agentrpc.Ready{
		Init: string(a.saved.Init.Flavour), Generation: a.saved.Generation, BootID: fact(bootID),
		UptimeMillis: uptime().Milliseconds(), Notes: a.saved.Notes,
	}
	ready.ConfiguredMicros = time.Duration(a.entered.Load()).Microseconds()
	a.mu.Unlock()
	a.ctl.send(agentrpc.GuestMessage{Ready: &ready})
	a.told.Store(true)
	now, health := a.program.get()
	if now != nil {
		a.ctl.send(agentrpc.GuestMessage{Entrypoint: now})
	}
	if health != nil {
		a.ctl.send(agentrpc.GuestMessage{EntrypointHealth: health})
	}
}

// shutdownLimit bounds an image's own shutdown command.
const shutdownLimit = 30 * time.Second

// shutdown asks PID 1 to go down, in its own way.
func (a *agent) shutdown(ctx context.Context, kind agentrpc.DownKind) {
	a.program.stop()
	a.mu.Lock()
	init := a.saved.Init
	a.mu.Unlock()
	var err error
	if p := a.parent.Load(); p != nil {
		err = p.send(pid1.Request{Down: kind})
	} else {
		ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
		defer cancel()
		err = inits.Shutdown(ctx, init, kind)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		a.log.Error("shut down", "err", err)
	}
}

func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
