package firecracker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/process"
)

// Machine implements vmm.Machine: one run of Firecracker.
type Machine struct {
	site    vmm.Site
	dir     string            // where Firecracker has its sockets, as this host sees it
	jail    *jailed           // nil: none
	serials map[string]string // of the disks, by name
	process *process.Process
	api     *client
	log     *logReader
	metrics *metricsReader
	turn    chan struct{} // held by the command under way

	mu     sync.Mutex
	events chan vmm.Event
	ended  bool // events is closed
	paused bool
	told   syscall.Signal // the last signal that it was sent
	halted bool           // it was ended since its guest had halted
	waits  patience
}

// watch reports the end of Firecracker. The end of ctx does not matter.
func (m *Machine) watch(ctx context.Context) {
	looking, stop := context.WithCancel(context.WithoutCancel(ctx))
	var looks sync.WaitGroup
	looks.Go(func() { m.awaitHalt(looking) })
	go func() {
		<-m.process.Exited
		stop()
		looks.Wait()
		m.release()
		m.mu.Lock()
		defer m.mu.Unlock()
		m.events <- vmm.Event{Kind: vmm.Exited, Exit: m.exit()}
		m.ended = true
		close(m.events)
	}()
}

// release gives back what the machine had, after the end of its process.
func (m *Machine) release() {
	m.log.end()
	m.metrics.end()
	m.api.close()
	m.removeSockets()
	m.clearJail()
}

func (m *Machine) clearJail() {
	if m.jail == nil {
		return
	}
	if err := m.jail.clear(); err != nil {
		m.site.Log.Warn("a jail is left", "err", err)
	}
}

func (m *Machine) removeSockets() {
	for _, path := range []string{filepath.Join(m.dir, apiSocket), filepath.Join(m.dir, vmm.VsockSocket), filepath.Join(m.site.Dir, vmm.VsockSocket)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.site.Log.Warn("remove a socket", "err", err)
		}
	}
}

// PID implements vmm.Machine.
func (m *Machine) PID() int { return m.process.PID() }

// Confinement implements vmm.Machine.
func (m *Machine) Confinement() string {
	if m.jail != nil {
		return m.process.Confinement() + groupWords(m.jail.groups)
	}
	return m.process.Confinement()
}

// DiskSerial implements vmm.Machine.
func (m *Machine) DiskSerial(name string) string { return m.serials[name] }

// EndsByReset implements vmm.Machine.
func (m *Machine) EndsByReset() bool { return true }

// GoesDown implements vmm.Machine.
func (m *Machine) GoesDown() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waits = announced()
}

func (m *Machine) patience() patience {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waits
}

// Events implements vmm.Machine.
func (m *Machine) Events() <-chan vmm.Event { return m.events }

// Press implements vmm.Machine.
func (m *Machine) Press(ctx context.Context) error {
	return m.command(ctx, func() error { return m.api.act(ctx, actionCtrlAltDel) })
}

// Signal implements vmm.Machine. Firecracker has nothing to do at its end: what the
// guest wrote is in the host's page cache.
func (m *Machine) Signal(sig os.Signal) error {
	number, _ := sig.(syscall.Signal)
	m.mu.Lock()
	m.told = number
	stopped := m.paused
	m.mu.Unlock()
	err := m.process.Signal(sig)
	if err == nil && stopped && number != syscall.SIGKILL {
		err = m.process.Signal(syscall.SIGCONT) // a stopped process takes no signal before
	}
	return err
}

// command gives Firecracker one command, when no other is under way.
func (m *Machine) command(ctx context.Context, do func() error) error {
	select {
	case m.turn <- struct{}{}:
	case <-m.process.Exited:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-m.turn }()
	if m.over() {
		return errEnded
	}
	err := do()
	switch {
	case err == nil:
		return nil
	case m.gone(err):
		return errEnded
	default:
		return fault.Wrap(fault.Unavailable, err, "the VMM did not obey")
	}
}

// over reports whether Firecracker has ended.
func (m *Machine) over() bool {
	select {
	case <-m.process.Exited:
		return true
	default:
		return false
	}
}

// lastMoment is how long a Firecracker that loses a connection may take to end.
const lastMoment = time.Second

// gone reports whether Firecracker has ended, after a call gave err. A connection that is lost
// is seen before the end of the process that had it.
func (m *Machine) gone(err error) bool {
	if !isLost(err) {
		return m.over()
	}
	timer := time.NewTimer(lastMoment)
	defer timer.Stop()
	select {
	case <-m.process.Exited:
		return true
	case <-timer.C:
		return false
	}
}

// errEnded says that the machine is no more.
var errEnded = fault.New(fault.Unavailable, "the machine has ended")
