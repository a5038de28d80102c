package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/process"
)

// startLimit bounds the time from starting QEMU to its answering.
const startLimit = 30 * time.Second

// agentSocket is where QEMU has the agent's port, in the run directory.
const agentSocket = "agent.sock"

// Machine implements vmm.Machine: one run of QEMU.
type Machine struct {
	site    vmm.Site
	process *process.Process
	qmp     *qmp
	vsock   *hybridVsock
	console sync.WaitGroup
	events  chan vmm.Event
	shape   string
	tscKHz  int64    // of the guest's time-stamp counter; 0: it is not told
	memory  *os.File // the guest's, where it can be saved; else nil

	mu        sync.Mutex
	shutdown  shutdownData
	loading   bool        // it goes on from where it was saved
	migration chan string // its states, while it is saved or loaded; else nil
}

func (m *Machine) launch(ctx context.Context, d *Driver, spec vmm.Spec, args []string) error {
	site := m.site
	disks, err := openDisks(spec.Disks)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "QEMU did not start")
	}
	defer func() { _ = closeFiles(disks) }()
	memory, err := m.openMemory(spec)
	if err != nil {
		return err
	}
	ends, err := openEnds(filepath.Join(site.Dir, agentSocket), spec.NIC != nil)
	if err != nil {
		return err
	}
	defer ends.closeTheirs()
	if ends.nic != nil {
		attach(site, ends.nic)
	}
	plan, err := d.plan(spec, disks)
	if err == nil {
		plan.Room = site.Room
		m.process, err = process.Start(process.Command{
			Name: "QEMU", Self: "qemu-system-", Program: spec.Program, Args: args, Dir: site.Dir,
			Files: slices.Concat(ends.theirs, disks, memory), Confine: site.Confine, Plan: plan, Group: site.Group,
		})
	}
	if err != nil {
		ends.closeOurs()
		return fault.Wrap(fault.Unavailable, err, "QEMU did not start")
	}
	ends.closeTheirs()
	console := site.Console
	if console == nil {
		console = io.Discard
	}
	m.console.Go(func() {
		_, err := io.Copy(console, ends.console)
		_ = ends.console.Close()
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			site.Log.Warn("the console's log ends early", "err", err)
		}
	})
	m.vsock, err = serveVsock(ctx, filepath.Join(site.Dir, vmm.VsockSocket), ends.dialAgent, site.Log)
	if err == nil {
		m.qmp, err = openQMP(ctx, ends.qmp, m.onEvent)
	} else {
		_ = ends.qmp.Close()
	}
	if err != nil {
		return m.abandon(err)
	}
	return m.goOn(ctx, spec)
}

// attach hands over our end of the NIC.
func attach(site vmm.Site, conn net.Conn) {
	if site.NIC == nil {
		_ = conn.Close()
		return
	}
	site.NIC(conn)
}

// abandon ends a QEMU that did not come up, and says why.
func (m *Machine) abandon(cause error) error {
	select {
	case <-m.process.Exited: // its own words say more than ours
	default:
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		if errors.Is(cause, errQMPGone) {
			select {
			case <-m.process.Exited:
			case <-timer.C:
			}
		}
	}
	_ = m.process.Signal(syscall.SIGKILL)
	<-m.process.Exited
	m.release()
	if errors.Is(cause, errQMPGone) {
		if why := m.process.Failure(); why != "" {
			return fault.New(fault.Unavailable, "%s", why)
		}
	}
	return fault.Wrap(fault.Unavailable, cause, "QEMU did not become ready")
}

func (m *Machine) release() {
	if m.vsock != nil {
		m.vsock.close()
	}
	m.console.Wait()
	m.removeSockets()
}

func (m *Machine) removeSockets() {
	for _, name := range []string{agentSocket, vmm.VsockSocket} {
		if err := os.Remove(filepath.Join(m.site.Dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.site.Log.Warn("remove a socket", "err", err)
		}
	}
}

// watch reports the end of QEMU.
func (m *Machine) watch() {
	<-m.qmp.done // the last events come before the end of file
	<-m.process.Exited
	m.qmp.close()
	m.release()
	m.mu.Lock()
	shutdown := m.shutdown
	m.mu.Unlock()
	if err := m.closeMemory(); err != nil {
		m.site.Log.Warn("close the guest's memory", "err", err)
	}
	exit := classify(m.process.Failure(), shutdown)
	exit.Signal = int(m.process.DeathSignal())
	m.events <- vmm.Event{Kind: vmm.Exited, Exit: exit}
	close(m.events)
}

// PID implements vmm.Machine.
func (m *Machine) PID() int { return m.process.PID() }

// Confinement implements vmm.Machine.
func (m *Machine) Confinement() string { return m.process.Confinement() }

// EndsByReset implements vmm.Machine.
func (m *Machine) EndsByReset() bool { return false }

// GoesDown implements vmm.Machine.
func (m *Machine) GoesDown() {}

// DiskSerial implements vmm.Machine.
func (m *Machine) DiskSerial(name string) string { return name }

// Events implements vmm.Machine.
func (m *Machine) Events() <-chan vmm.Event { return m.events }

// Pause implements vmm.Machine.
func (m *Machine) Pause(ctx context.Context) error { return m.command(ctx, "stop", nil) }

// Resume implements vmm.Machine.
func (m *Machine) Resume(ctx context.Context) error { return m.command(ctx, "cont", nil) }

// Press implements vmm.Machine.
func (m *Machine) Press(ctx context.Context) error {
	type key struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	return m.command(ctx, "send-key", map[string]any{
		"keys": []key{{"qcode", "ctrl"}, {"qcode", "alt"}, {"qcode", "delete"}},
	})
}

// Signal implements vmm.Machine: at SIGTERM QEMU flushes its disks and ends.
func (m *Machine) Signal(sig os.Signal) error { return m.process.Signal(sig) }

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
	case "MIGRATION":
		m.onMigration(e.Data)
	case "STOP":
		m.events <- vmm.Event{Kind: vmm.Paused}
	case "RESUME":
		m.onResume()
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
	return fmt.Sprintf("the guest cannot %s %s: %s", d.Operation, d.Node, d.Reason)
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
