package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vmm"
)

// saveLimit bounds the time that a machine takes to be saved and to end.
const saveLimit = 30 * time.Second

// stateName is the name of the descriptor by which QEMU writes or reads a machine's state.
const stateName = "state"

// Save implements vmm.Machine.
func (m *Machine) Save(ctx context.Context) (vmm.Saved, error) {
	m.mu.Lock()
	memory := m.memory
	m.memory = nil
	m.mu.Unlock()
	if memory == nil {
		_ = m.Signal(syscall.SIGKILL)
		return vmm.Saved{}, fault.New(fault.Unavailable, "the machine was not started to be saved, or has ended")
	}
	ctx, cancel := context.WithTimeout(ctx, saveLimit)
	defer cancel()
	saved, err := m.save(ctx, memory)
	if err != nil {
		_ = m.Signal(syscall.SIGKILL)
		return vmm.Saved{}, fault.Wrap(fault.Unavailable, errors.Join(err, saved.Close()), "cannot save the machine")
	}
	return saved, nil
}

// save returns the files also when it fails.
func (m *Machine) save(ctx context.Context, memory *os.File) (vmm.Saved, error) {
	saved := vmm.Saved{Shape: m.shape, TSCKHz: m.tscKHz, Memory: memory}
	state, err := vmm.NewMemoryFile("state", 0)
	if err != nil {
		return saved, err
	}
	saved.State = state
	if err := m.unlink(ctx); err != nil {
		return saved, err
	}
	if err := m.qmp.execute(ctx, "stop", nil); err != nil {
		return saved, err
	}
	file, err := again(state, true)
	if err != nil {
		return saved, err
	}
	defer func() { _ = file.Close() }()
	if err := m.migrate(ctx, "migrate", file, true); err != nil {
		return saved, err
	}
	if err := m.Signal(syscall.SIGTERM); err != nil {
		return saved, err
	}
	select {
	case <-m.process.Exited: // nobody can write to the memory any more
	case <-ctx.Done():
		return saved, fmt.Errorf("wait for QEMU to end: %w", ctx.Err())
	}
	return saved, errors.Join(vmm.Seal(state), vmm.Seal(memory))
}

// unlink closes the agent channel, so that no session is saved in the middle of a frame.
func (m *Machine) unlink(ctx context.Context) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		m.vsock.close()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the agent channel: %w", ctx.Err())
	}
}

// goOn has a machine go on from where it was saved or suspended; one that was neither boots.
func (m *Machine) goOn(ctx context.Context, spec vmm.Spec) error {
	var err error
	m.setLoading(true)
	switch {
	case spec.From != nil:
		err = m.goOnFrom(ctx, spec.From)
	case spec.Resume != nil:
		err = m.goOnResumed(ctx, spec.Resume)
	default: // it runs already
	}
	m.setLoading(false)
	if err != nil {
		return fault.Wrap(fault.Unavailable, m.abandon(err), "cannot go on from the saved machine")
	}
	return nil
}

// goOnFrom loads what the devices were: the memory is there already.
func (m *Machine) goOnFrom(ctx context.Context, from *vmm.Saved) error {
	state, err := again(from.State, false)
	if err != nil {
		return err
	}
	defer func() { _ = state.Close() }()
	if err := m.migrate(ctx, "migrate-incoming", state, true); err != nil {
		return err
	}
	return m.qmp.execute(ctx, "cont", nil)
}

func (m *Machine) setLoading(loading bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loading = loading
}

// capability is one of QMP's migrate-set-capabilities.
type capability struct {
	Capability string `json:"capability"`
	State      bool   `json:"state"`
}

// migrate has QEMU write its state to a file, or read it: with all of the memory, unless that is
// shared, in a file of its own.
func (m *Machine) migrate(ctx context.Context, command string, file *os.File, shared bool) error {
	states := make(chan string, 16)
	m.mu.Lock()
	m.migration = states
	m.mu.Unlock()
	if err := m.qmp.execute(ctx, "migrate-set-capabilities", map[string]any{
		"capabilities": []capability{{"events", true}, {"x-ignore-shared", shared}},
	}); err != nil {
		return err
	}
	if err := m.qmp.give(ctx, stateName, file); err != nil {
		return err
	}
	if err := m.qmp.execute(ctx, command, map[string]string{"uri": "fd:" + stateName}); err != nil {
		return err
	}
	for {
		select {
		case status := <-states:
			switch status {
			case "completed":
				return nil
			case "failed", "cancelled":
				return m.whyNotMigrated(ctx, status)
			}
		case <-m.qmp.done:
			return errQMPGone
		case <-ctx.Done():
			return fmt.Errorf("wait for QEMU's state: %w", ctx.Err())
		}
	}
}

// again opens a file in memory once more, so that two users of it have a position each.
func again(f *os.File, write bool) (*os.File, error) {
	mode := os.O_RDONLY
	if write {
		mode = os.O_RDWR
	}
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), mode, 0)
}

func (m *Machine) whyNotMigrated(ctx context.Context, status string) error {
	answer, err := m.qmp.query(ctx, "query-migrate", nil)
	if err != nil {
		return err
	}
	var why struct {
		Description string `json:"error-desc"`
	}
	_ = json.Unmarshal(answer, &why) // the status says enough where there is no more
	return fmt.Errorf("the migration %s: %.200q", status, why.Description)
}

// onMigration takes QMP's MIGRATION.
func (m *Machine) onMigration(data json.RawMessage) {
	var body struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(data, &body) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case m.migration <- body.Status:
	default: // nobody waits
	}
}

// onResume takes QMP's RESUME. That a machine goes on where it was saved is its start.
func (m *Machine) onResume() {
	m.mu.Lock()
	loading := m.loading
	m.mu.Unlock()
	if !loading {
		m.events <- vmm.Event{Kind: vmm.Resumed}
	}
}

// openMemory returns the file of the guest's memory, for QEMU to inherit; none where the memory is
// QEMU's own.
func (m *Machine) openMemory(spec vmm.Spec) ([]*os.File, error) {
	switch {
	case spec.From != nil:
		return []*os.File{spec.From.Memory}, nil
	case spec.Saves:
		memory, err := vmm.NewMemoryFile("guest-memory", spec.MemoryBytes)
		if err != nil {
			return nil, err
		}
		m.memory = memory
		return []*os.File{memory}, nil
	default:
		return nil, nil
	}
}

func (m *Machine) closeMemory() error {
	m.mu.Lock()
	memory := m.memory
	m.memory = nil
	m.mu.Unlock()
	if memory == nil {
		return nil
	}
	return memory.Close()
}
