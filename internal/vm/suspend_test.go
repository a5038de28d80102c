package vm_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// fakeSuspensions are machines on disk, which outlive a Service.
type fakeSuspensions struct {
	mu       sync.Mutex
	stored   map[string]vm.Suspension
	host     vm.MachineHost
	discards int
	full     error
}

func (f *fakeSuspensions) Find(_ context.Context, vmID string) (vm.Suspension, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.stored[vmID]; ok {
		return s, nil
	}
	return vm.Suspension{}, fault.New(fault.NotFound, "it is missing")
}

func (f *fakeSuspensions) Discard(_ context.Context, vmID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.discards++
	delete(f.stored, vmID)
	return nil
}

func (f *fakeSuspensions) Host(context.Context, vm.Spec) (vm.MachineHost, error) { return f.host, nil }

func (f *fakeSuspensions) store(vmID, startID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full == nil {
		host := f.host
		f.stored[vmID] = vm.Suspension{StartID: startID, Driver: "qemu-tcg", Host: &host, At: time.Now()}
	}
	return f.full
}

func (f *fakeSuspensions) claim(vmID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.stored, vmID)
}

// withSuspensions is a harness with a running VM web.
func withSuspensions(t *testing.T) (*harness, *fakeSuspensions) {
	h := newHarness(t)
	f := &fakeSuspensions{stored: map[string]vm.Suspension{}, host: vm.MachineHost{VMM: "qemu 1", CPU: "cpu"}}
	h.svc.Close()
	h.deps.Suspensions = f
	h.machines.suspend = f.store
	h.svc = vm.New(h.deps)
	h.reconcile()
	h.create("web", true)
	h.machines.atStart = func(m *fakeMachine) {
		f.claim(m.id)
		m.ready()
	}
	return h, f
}

func (h *harness) suspend() vm.VM {
	h.t.Helper()
	v, err := h.svc.Suspend(h.t.Context(), "web", quiet)
	if err != nil || v.State != vm.Suspended {
		h.t.Fatalf("suspended it is %s, %v", v.State, err)
	}
	return v
}

func TestASuspendedVMGoesOnAsTheSameStart(t *testing.T) {
	h, _ := withSuspensions(t)
	before := h.get("web")
	h.suspend()
	h.suspend() // is done already
	if h.machines.count() != 0 {
		t.Error("a machine is left")
	}
	h.restartDaemon(func() { h.host.facts.BootID = "boot-2" })
	if v := h.get("web"); v.State != vm.Suspended {
		t.Fatalf("after a reboot of the host it is %s", v.State)
	}
	v, err := h.svc.Resume(t.Context(), "web")
	if err != nil || v.State != vm.Running || v.StartID != before.StartID || v.HostBootID != "boot-2" {
		t.Errorf("resumed it is %+v, %v", v, err)
	}
	if spec := h.machines.lastSpec(t); !spec.Resume || spec.Template != nil || spec.StartID != before.StartID || spec.Host == nil {
		t.Errorf("it is started by %+v", spec)
	}
	if v, err := h.svc.Resume(t.Context(), "web"); err != nil || v.State != vm.Running || h.machines.count() != 1 {
		t.Errorf("resumed again it is %s, %v", v.State, err)
	}
}

func TestAVMThatCannotBeSuspendedRuns(t *testing.T) {
	h, f := withSuspensions(t)
	f.full = errors.New("the disk is full")
	if _, err := h.svc.Suspend(t.Context(), "web", quiet); !errors.Is(err, f.full) {
		t.Errorf("suspending gave %v", err)
	}
	if v := h.get("web"); v.State != vm.Running || h.machines.count() != 1 {
		t.Errorf("it is %s", v.State)
	}
	if _, err := h.svc.Stop(t.Context(), "web", time.Minute, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Suspend(t.Context(), "web", quiet); !errors.Is(err, fault.Conflict) {
		t.Errorf("suspending a stopped VM gave %v", err)
	}
}

func TestAVMThatCannotBeResumedStaysSuspended(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(h *harness, f *fakeSuspensions, id string)
		says string
	}{
		"another VMM": {func(_ *harness, f *fakeSuspensions, _ string) { f.host.VMM = "qemu 2" }, "not the program"},
		"another CPU": {func(_ *harness, f *fakeSuspensions, _ string) { f.host.CPU = "other" }, "another CPU"},
		"it is gone":  {func(_ *harness, f *fakeSuspensions, id string) { f.claim(id) }, "is missing"},
		"its monitor refuses it": {func(h *harness, _ *fakeSuspensions, _ string) {
			h.machines.startErr = errors.New("damaged")
		}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			h, f := withSuspensions(t)
			v := h.suspend()
			c.harm(h, f, v.ID)
			_, err := h.svc.Resume(t.Context(), "web")
			h.machines.startErr = nil
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), c.says) || !strings.Contains(fault.HintOf(err).String(), "cold") {
				t.Errorf("resuming gave %v, hint %q; want %q", err, fault.HintOf(err), c.says)
			}
			if v := h.get("web"); v.State != vm.Suspended {
				t.Errorf("it is %s", v.State)
			}
			v, err = h.svc.StartCold(t.Context(), "web", vm.WaitReady(), quiet)
			if err != nil || v.State != vm.Running || h.machines.lastSpec(t).Resume {
				t.Errorf("started cold it is %s, %v", v.State, err)
			}
		})
	}
}

func TestWhatEndsASuspendedVMDiscardsItsMemory(t *testing.T) {
	for name, end := range map[string]func(h *harness) error{
		"stop": func(h *harness) error {
			_, err := h.svc.Stop(h.t.Context(), "web", time.Minute, quiet)
			return err
		},
		"kill":  func(h *harness) error { _, err := h.svc.Kill(h.t.Context(), "web", ""); return err },
		"reset": func(h *harness) error { _, err := h.svc.Reset(h.t.Context(), "web", true, quiet); return err },
	} {
		t.Run(name, func(t *testing.T) {
			h, f := withSuspensions(t)
			v := h.suspend()
			if err := end(h); err != nil {
				t.Fatal(err)
			}
			if v := h.get("web"); v.State != vm.Stopped || !strings.Contains(v.ExitMessage, "discarded") {
				t.Errorf("it is %s: %s", v.State, v.ExitMessage)
			}
			if _, err := f.Find(t.Context(), v.ID); !errors.Is(err, fault.NotFound) {
				t.Errorf("its memory is there: %v", err)
			}
		})
	}
}

func TestASuspendedVMIsNotChanged(t *testing.T) {
	h, _ := withSuspensions(t)
	h.suspend()
	more := 2 * gib
	_, set := h.svc.Set(t.Context(), "web", vm.Change{MemoryBytes: &more})
	_, commit := h.svc.Commit(t.Context(), "web", "img", false, quiet)
	_, rescue := h.svc.Rescue(t.Context(), "web", vm.WaitReady(), quiet)
	_, wait := h.svc.WaitFor(t.Context(), "web", vm.Until{})
	_, snap := h.svc.CheckSnapshot(t.Context(), "web", vm.SnapshotRequest{DiskOnly: true})
	_, rollback := h.svc.CheckRollback(t.Context(), "web", vm.RollbackRequest{})
	for what, err := range map[string]error{"set": set, "commit": commit, "rescue": rescue, "wait": wait, "snapshot": snap, "rollback": rollback} {
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "suspended") {
			t.Errorf("%s gave %v", what, err)
		}
	}
	if _, err := h.svc.Set(t.Context(), "web", vm.Change{Labels: map[string]string{"a": "b"}}); err != nil {
		t.Errorf("a label: %v", err)
	}
	if err := h.svc.Delete(t.Context(), "web", vm.Removal{}, quiet); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// What a crash leaves at each stage is told by what is on disk.
func TestWhatIsOnDiskDecidesAfterACrash(t *testing.T) {
	for name, c := range map[string]struct {
		crash func(h *harness, f *fakeSuspensions, m *fakeMachine)
		want  vm.State
	}{
		"while it is written": {func(_ *harness, _ *fakeSuspensions, m *fakeMachine) { m.vanish() }, vm.Failed},
		"once it is written": {func(_ *harness, f *fakeSuspensions, m *fakeMachine) {
			_ = f.store(m.id, m.status.StartID)
			m.vanish()
		}, vm.Suspended},
		"once it is written, and the host reboots": {func(h *harness, f *fakeSuspensions, m *fakeMachine) {
			_ = f.store(m.id, m.status.StartID)
			m.vanish()
			h.host.facts.BootID = "boot-2"
		}, vm.Suspended},
	} {
		t.Run(name, func(t *testing.T) {
			h, f := withSuspensions(t)
			m := h.machine()
			h.restartDaemon(func() { c.crash(h, f, m) })
			if v := h.get("web"); v.State != c.want {
				t.Errorf("it is %s: %s", v.State, v.ExitReason)
			}
		})
	}
}
