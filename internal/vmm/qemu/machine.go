package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// Driver starts machines on QEMU, one at a time.
type Driver struct {
	// Run is the VM's run directory: vsock.sock appears there while a machine lives.
	Run string
	// Console takes what the guest's serial console says, as it comes.
	Console io.Writer
	// TSC may be nil where no guest needs the rate; else it is best begun early.
	TSC *TSCClock
	// NIC is given our end of the frames' stream each time a machine with a network
	// starts, before the guest runs, and owns it: each Ethernet frame is behind its
	// length in four bytes, big-endian. It returns at once. Nil: nothing is behind
	// the NIC. A machine that does not start or ends closes the other end; a paused
	// one reads nothing.
	NIC func(net.Conn)
	// Confine starts `bangerd confine`, by which QEMU gives up what it does not need.
	// Empty: it gives up nothing.
	Confine []string
	Log     *slog.Logger
}

// startLimit bounds the time from starting QEMU to its answering.
const startLimit = 30 * time.Second

// Machine is one run of QEMU. It is safe for concurrent use.
type Machine struct {
	process *process
	qmp     *qmp
	vsock   *hybridVsock
	console sync.WaitGroup
	events  chan vmm.Event

	mu       sync.Mutex
	shutdown shutdownData
}

// Start starts QEMU with this spec and returns when it answers, while the
// guest boots. ctx bounds the start only. The machine ends by the guest, by
// Signal, or with this process; its Events must be drained.
func (d *Driver) Start(ctx context.Context, spec vm.Spec) (*Machine, error) {
	var khz int64
	if needsTSCRate(spec) {
		var err error
		if khz, err = d.TSC.KHz(ctx); err != nil {
			return nil, fmt.Errorf("measure the CPU's time-stamp counter: %w", err)
		}
	}
	args, err := arguments(spec, runtime.GOARCH, khz)
	if err != nil {
		return nil, err
	}
	m := &Machine{events: make(chan vmm.Event, 16)}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := m.launch(ctx, d, spec, args); err != nil {
		return nil, err
	}
	go m.watch()
	return m, nil
}

func (m *Machine) launch(ctx context.Context, d *Driver, spec vm.Spec, args []string) error {
	disks, err := openDisks(spec.Disks)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "QEMU did not start")
	}
	defer func() { _ = closeFiles(disks) }()
	ends, err := openEnds(filepath.Join(d.Run, "agent.sock"), spec.Network != nil)
	if err != nil {
		return err
	}
	defer ends.closeTheirs()
	if ends.nic != nil {
		d.attach(ends.nic)
	}
	m.process, err = d.startConfined(spec, args, ends.theirs, disks)
	if err != nil {
		ends.closeOurs()
		return fault.Wrap(fault.Unavailable, err, "QEMU did not start")
	}
	ends.closeTheirs()
	m.console.Go(func() {
		_, err := io.Copy(d.Console, ends.console)
		_ = ends.console.Close()
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			d.Log.Warn("the console's log ends early", "err", err)
		}
	})
	m.vsock, err = serveVsock(ctx, filepath.Join(d.Run, "vsock.sock"), ends.dialAgent, d.Log)
	if err == nil {
		m.qmp, err = openQMP(ctx, ends.qmp, m.onEvent)
	} else {
		_ = ends.qmp.Close()
	}
	if err != nil {
		return m.abandon(err)
	}
	return nil
}

// attach hands over our end of the NIC.
func (d *Driver) attach(conn net.Conn) {
	if d.NIC == nil {
		_ = conn.Close()
		return
	}
	d.NIC(conn)
}

// abandon ends a QEMU that did not come up, and says why.
func (m *Machine) abandon(cause error) error {
	select {
	case <-m.process.exited: // its own words say more than ours
	default:
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		if errors.Is(cause, errQMPGone) {
			select {
			case <-m.process.exited:
			case <-timer.C:
			}
		}
	}
	_ = m.process.signal(syscall.SIGKILL)
	<-m.process.exited
	m.release()
	if errors.Is(cause, errQMPGone) {
		if why := m.process.failure(); why != "" {
			return fault.New(fault.Unavailable, "%s", why)
		}
	}
	return fault.Wrap(fault.Unavailable, cause, "QEMU did not come up")
}

func (m *Machine) release() {
	if m.vsock != nil {
		m.vsock.close()
	}
	m.console.Wait()
}

// watch reports the end of QEMU.
func (m *Machine) watch() {
	<-m.qmp.done // the last events come before the end of file
	<-m.process.exited
	m.qmp.close()
	m.release()
	m.mu.Lock()
	shutdown := m.shutdown
	m.mu.Unlock()
	exit := classify(m.process.failure(), shutdown)
	exit.Signal = int(m.process.deathSignal())
	m.events <- vmm.Event{Kind: vmm.Exited, Exit: exit}
	close(m.events)
}

// PID is QEMU's process id.
func (m *Machine) PID() int { return m.process.cmd.Process.Pid }

// Confinement is what holds of QEMU, as words for people.
func (m *Machine) Confinement() string { return m.process.confinement.String() }

// Events are what happens to the machine, in order; the last one is Exited,
// after which the channel is closed, the process reaped and its sockets gone.
func (m *Machine) Events() <-chan vmm.Event { return m.events }

// Pause stops the virtual CPUs; it returns when they stand. Pausing twice is
// no error.
func (m *Machine) Pause(ctx context.Context) error { return m.command(ctx, "stop", nil) }

// Resume lets the virtual CPUs run, and tries again what stopped the machine
// by an I/O error.
func (m *Machine) Resume(ctx context.Context) error { return m.command(ctx, "cont", nil) }

// Press presses ctrl-alt-del in the guest.
func (m *Machine) Press(ctx context.Context) error {
	type key struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	return m.command(ctx, "send-key", map[string]any{
		"keys": []key{{"qcode", "ctrl"}, {"qcode", "alt"}, {"qcode", "delete"}},
	})
}

// Signal sends a signal to the QEMU process. SIGTERM has it flush its disks
// and end. A process that has ended is no error.
func (m *Machine) Signal(sig os.Signal) error { return m.process.signal(sig) }

func (m *Machine) command(ctx context.Context, name string, args any) error {
	ctx, cancel := context.WithTimeout(ctx, qmpTimeout)
	defer cancel()
	if err := m.qmp.execute(ctx, name, args); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the VMM did not obey")
	}
	return nil
}

// shutdownData is the body of QMP's SHUTDOWN.
type shutdownData struct {
	Guest  bool   `json:"guest"`
	Reason string `json:"reason"`
}

// ioErrorData is the body of QMP's BLOCK_IO_ERROR.
type ioErrorData struct {
	Node      string `json:"node-name"`
	Operation string `json:"operation"`
	Action    string `json:"action"`
	NoSpace   bool   `json:"nospace"`
	Reason    string `json:"reason"`
}

func (m *Machine) onEvent(e qmpEvent) {
	switch e.Name {
	case "STOP":
		m.events <- vmm.Event{Kind: vmm.Paused}
	case "RESUME":
		m.events <- vmm.Event{Kind: vmm.Resumed}
	case "BLOCK_IO_ERROR":
		var data ioErrorData
		if json.Unmarshal(e.Data, &data) == nil && data.Action == "stop" {
			m.events <- vmm.Event{Kind: vmm.IOError, Reason: data.String()}
		}
	case "SHUTDOWN":
		m.mu.Lock()
		defer m.mu.Unlock()
		_ = json.Unmarshal(e.Data, &m.shutdown) // what cannot be read says nothing, as no event would
	}
}

func (d ioErrorData) String() string {
	if d.NoSpace {
		return fmt.Sprintf("the host's disk is full: the guest could not %s %s", d.Operation, d.Node)
	}
	return fmt.Sprintf("the guest could not %s %s: %s", d.Operation, d.Node, d.Reason)
}

// classify says why QEMU ended, from how the process ended (empty: in order)
// and the last SHUTDOWN.
func classify(failure string, last shutdownData) vmm.Exit {
	switch {
	case failure != "":
		return vmm.Exit{Cause: vmm.Failed, Detail: failure}
	case last.Reason == "guest-reset":
		return vmm.Exit{Cause: vmm.GuestReset, Detail: "the guest reset the machine"}
	case last.Guest:
		return vmm.Exit{Cause: vmm.GuestOff, Detail: "the guest powered off"}
	default:
		return vmm.Exit{Cause: vmm.HostShutdown, Detail: "QEMU was told to end"}
	}
}
