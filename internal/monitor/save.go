package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/templatestore"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// saveNice is the priority at which a machine boots that nobody waits for.
const saveNice = 15

// saveMachine boots the machine of spec to its agent's Hello, and leaves it saved in v. up is
// called once, when it is.
func saveMachine(ctx context.Context, v statedir.VM, spec vm.Spec, driver vmm.Driver, up func(), log *slog.Logger) error {
	if err := unix.Setpriority(unix.PRIO_PGRP, 0, saveNice); err != nil {
		log.Warn("lower this process's priority", "err", err)
	}
	console, err := openConsole(v.Console(), maxLog)
	if err != nil {
		return err
	}
	defer func() { _ = console.Close() }()
	site := vmm.Site{
		Dir: ".", Console: console.of(spec), Confine: confineStep(), Group: os.Getenv(confine.GroupEnv),
		Room: os.Getenv(confine.RoomEnv), Log: log,
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(spec.ReadyTimeoutMillis)*time.Millisecond)
	defer cancel()
	go endWithParent(ctx, cancel)
	saved, err := bootAndSave(ctx, driver, machineSpec(spec), site)
	if err != nil {
		return fmt.Errorf("save a machine: %w", err)
	}
	err = templatestore.Write(v.Saved(), saved)
	if err := errors.Join(err, saved.Close()); err != nil {
		return err
	}
	up()
	return nil
}

// parentLook is how often a monitor that saves looks after its parent.
const parentLook = 500 * time.Millisecond

// endWithParent calls end when nobody waits for the saved machine any more: a bangerd that died
// would leave it to nobody.
func endWithParent(ctx context.Context, end func()) {
	for ctx.Err() == nil {
		look := []unix.PollFd{{Fd: monitorrpc.ReadyFD}}
		n, err := unix.Poll(look, int(parentLook.Milliseconds()))
		if err == nil && n > 0 {
			end()
			return
		}
	}
}

// bootAndSave returns a machine as it was when its agent had said hello. The caller closes it.
func bootAndSave(ctx context.Context, driver vmm.Driver, spec vmm.Spec, site vmm.Site) (vmm.Saved, error) {
	control, err := statedir.ListenUnix(controlSocket())
	if err != nil {
		return vmm.Saved{}, fmt.Errorf("listen for the agent: %w", err)
	}
	defer func() {
		_ = control.Close()
		_ = os.Remove(controlSocket())
	}()
	m, err := driver.Start(ctx, spec, site)
	if err != nil {
		return vmm.Saved{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e := range m.Events() {
			if e.Kind == vmm.Exited {
				cancel(fault.New(fault.Unavailable, "the machine ended: %s", e.Exit.Detail))
			}
		}
	}()
	defer func() {
		_ = m.Signal(syscall.SIGKILL)
		<-ended
	}()
	if err := awaitHello(ctx, control); err != nil {
		return vmm.Saved{}, errors.Join(err, context.Cause(ctx))
	}
	// A saved machine's ending is in order, and no failure.
	return m.Save(context.WithoutCancel(ctx))
}

// awaitHello waits for an agent that has no identity yet, and closes its stream and the listener.
func awaitHello(ctx context.Context, control net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = control.Close() })
	defer stop()
	conn, err := control.Accept()
	if err != nil {
		return fmt.Errorf("wait for the agent: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stopRead := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stopRead()
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4096), agentrpc.MaxLine)
	for lines.Scan() {
		var message agentrpc.GuestMessage
		if err := json.Unmarshal(lines.Bytes(), &message); err != nil {
			return fmt.Errorf("malformed message from the agent: %w", err)
		}
		if hello := message.Hello; hello != nil {
			if hello.Configured || hello.Protocol != agentrpc.Version {
				return fault.New(fault.Unavailable, "the agent speaks protocol %d, configured %t", hello.Protocol, hello.Configured)
			}
			return control.Close()
		}
	}
	return fmt.Errorf("the agent said no hello: %w", errors.Join(lines.Err(), net.ErrClosed))
}
