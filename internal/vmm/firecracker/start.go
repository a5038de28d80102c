package firecracker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/process"
)

// startLimit bounds the time from starting Firecracker to the start of the guest.
const startLimit = time.Minute

// apiSocket is where Firecracker has its API, in the run directory, which is its
// working directory: so the paths are short for it, however long they are.
const apiSocket = "firecracker.sock"

// fdLog and fdMetrics are the descriptors that Firecracker writes its log and its metrics
// to.
const (
	fdLog = 3 + iota
	fdMetrics
)

// logLevel leaves out the warnings, which a guest can cause as often as it wants.
const logLevel = "Error"

// guestCID is the context ID of every guest: the connections to one go by its socket.
const guestCID = 3

// errGone says that Firecracker ended.
var errGone = errors.New("the VMM ended")

// launch starts Firecracker and the guest. After an error no process is left.
func (m *Machine) launch(ctx context.Context, d *Driver, spec vmm.Spec) error {
	m.removeSockets()            // Firecracker replaces none
	theirs, err := m.openPipes() //nolint:contextcheck // they are read until Firecracker ends
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "Firecracker did not start")
	}
	defer closeAll(theirs) // Firecracker has its own by then
	command, err := m.program(d, spec, theirs)
	if err == nil {
		m.process, err = process.Start(command)
	}
	if err != nil {
		closeAll(theirs)
		m.log.end()
		m.metrics.end()
		return fault.Wrap(fault.Unavailable, err, "Firecracker did not start")
	}
	if nic := m.process.NIC(); nic != nil && m.site.NIC != nil {
		m.site.NIC(nic)
	}
	if m.jail == nil {
		m.api = newClient(filepath.Join(m.dir, apiSocket), d.limits)
	} else {
		m.api = clientBy(func(ctx context.Context) (net.Conn, error) { return m.jail.dial(ctx, apiSocket) }, d.limits)
		err = m.jail.relay(ctx, m.site.Dir)
	}
	if err == nil {
		err = m.bringUp(ctx, spec)
	}
	if err != nil {
		closeAll(theirs)
		return m.abandon(err)
	}
	return nil
}

// openPipes starts to read the log and the metrics. theirs are Firecracker's ends, which the
// caller closes.
func (m *Machine) openPipes() (theirs []*os.File, err error) {
	pipe := func(string) func() (ours, theirs *os.File, err error) { return os.Pipe }
	if m.jail != nil {
		pipe = m.jail.openPipe
	}
	log, theirLog, err := startLog(m.site.Log, pipe(logName))
	if err != nil {
		return nil, err
	}
	metrics, theirMetrics, err := startMetrics(m.site.Log, pipe(metricsName))
	if err != nil {
		_ = theirLog.Close()
		log.end()
		return nil, err
	}
	m.log, m.metrics = log, metrics
	return []*os.File{theirLog, theirMetrics}, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// program is how Firecracker starts: by itself, or by its jailer.
func (m *Machine) program(d *Driver, spec vmm.Spec, pipes []*os.File) (process.Command, error) {
	c := process.Command{
		Name: "Firecracker", Self: "Error", Program: spec.Program, Dir: m.site.Dir,
		Args:   []string{"--api-sock", apiSocket, "--level", logLevel},
		Stdout: m.site.Console, Confine: m.site.Confine, Group: m.site.Group,
	}
	if m.jail != nil {
		return m.jail.program(c, spec), nil
	}
	plan, err := d.plan(spec)
	c.Args = append(c.Args, "--id", instanceID(spec.Name), "--log-path", fmt.Sprintf("/proc/self/fd/%d", fdLog))
	plan.Room = m.site.Room
	c.Files, c.Plan = pipes, plan
	return c, err
}

// bringUp waits for the API, configures the machine and starts the guest.
func (m *Machine) bringUp(ctx context.Context, spec vmm.Spec) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-m.process.Exited: // then no call is answered any more
			cancel()
		case <-stop:
		}
	}()
	err := m.awaitAPI(ctx)
	for _, s := range m.steps(spec) {
		if err != nil {
			break
		}
		err = m.api.put(ctx, s.path, s.body)
	}
	if err == nil {
		err = stillPinned(spec.Disks)
	}
	if err == nil {
		err = m.api.act(ctx, actionStart)
	}
	if err != nil && m.gone(err) {
		return errGone
	}
	return err
}

// awaitAPI waits until the API answers, and checks the version.
func (m *Machine) awaitAPI(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.api.limits.api)
	defer cancel()
	pauses := pace.NewBackoff(time.Millisecond, 50*time.Millisecond)
	err := m.api.learnVersion(ctx)
	for err != nil && notListening(err) {
		if pauses.Pause(ctx) != nil {
			return fmt.Errorf("its API does not come up: %w", ctx.Err())
		}
		err = m.api.learnVersion(ctx)
	}
	if err != nil {
		return err
	}
	if m.api.version.before(oldest()) {
		return fault.New(fault.Unavailable, "Firecracker %s is too old", m.api.version).
			WithHint("install Firecracker %d.%d or newer", oldest().major, oldest().minor)
	}
	return nil
}

// notListening reports whether there is no socket yet, or nobody listens on it.
func notListening(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// step is one PUT that describes the machine.
type step struct {
	path string
	body any
}

// steps describe the machine. Their order is that of the devices.
func (m *Machine) steps(spec vmm.Spec) []step {
	metrics := fmt.Sprintf("/proc/self/fd/%d", fdMetrics)
	if m.jail != nil {
		metrics = metricsName
	}
	steps := []step{
		{"/metrics", metricsConfig{Path: metrics}},
		{"/machine-config", machineConfig{VCPUs: spec.VCPU, MemoryMiB: (spec.MemoryBytes + mib - 1) / mib}},
		{"/cpu-config", notNested()},
		{"/boot-source", bootSource{Kernel: spec.Kernel, Initrd: spec.Initramfs, Args: commandLine(spec, m.site.Console != nil)}},
	}
	for i, disk := range spec.Disks {
		id := fmt.Sprintf("disk%d", i) // names of disks have letters that IDs may not have
		steps = append(steps, step{"/drives/" + id, drive{ID: id, Path: disk.Path, ReadOnly: disk.ReadOnly, Cache: "Writeback"}})
	}
	if spec.NIC != nil {
		steps = append(steps, step{"/network-interfaces/nic", networkInterface{ID: "nic", TAP: tapName, MAC: spec.NIC.MAC, MTU: spec.NIC.MTU}})
	}
	return append(
		steps,
		step{"/vsock", vsockDevice{CID: guestCID, Socket: vmm.VsockSocket}},
		step{"/entropy", entropyDevice{}},
		step{"/balloon", balloon{DeflateOnOOM: true, FreePageReporting: true}},
	)
}

// abandon ends a Firecracker that did not come up, and says why.
func (m *Machine) abandon(cause error) error {
	_ = m.process.Signal(syscall.SIGKILL)
	<-m.process.Exited
	m.release()
	if errors.Is(cause, errGone) {
		if why := m.why(); why != "" {
			return fault.New(fault.Unavailable, "%s", why)
		}
		return fault.New(fault.Unavailable, "Firecracker ended before its guest started")
	}
	return explain(cause, vmm.ThisHost().KVM)
}
