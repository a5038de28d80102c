package vm_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/sqlite"
	"github.com/bangervm/banger/internal/vm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// harness is a Service on a real database, with fakes for the rest of the world.
type harness struct {
	t        *testing.T
	points   *points
	store    vm.Store
	machines *fakeMachines
	disks    *fakeDisks
	host     *fakeHost
	ports    *fakePorts
	taken    *fakeHostPorts
	kernels  *fakeKernels
	deps     vm.Deps
	svc      *vm.Service

	defaultConsole bool // the configuration's
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &points{at: -1}
	h := &harness{
		t: t, points: p, store: db.VMs(), machines: newFakeMachines(p), disks: newFakeDisks(p),
		ports: &fakePorts{open: make(chan struct{})}, taken: &fakeHostPorts{taken: map[netip.AddrPort]bool{}},
		kernels: &fakeKernels{points: p, kept: map[string]string{}},
		host: &fakeHost{points: p, facts: vm.HostFacts{
			CPUs: 4, MemoryBytes: 8 * gib, DiskBytes: 100 * gib, Architecture: "amd64", BootID: "boot-1",
		}},
	}
	h.deps = vm.Deps{
		Store: pointedStore{h.store, p}, Machines: h.machines, Disks: h.disks, Identities: h.disks, Names: h.disks,
		Images: fakeCatalog{points: p}, Kernels: h.kernels, Host: h.host, Ports: h.ports, HostPorts: h.taken,
		EgressRules: db.EgressRules(), UID: 1000, Resolvers: func(context.Context) []string { return []string{"127.0.0.1:5353"} },
		Preflight: func(ctx context.Context) error { return p.pass(ctx, "preflight") },
		Defaults: func(context.Context) vm.Defaults {
			return vm.Defaults{Image: "debian", VCPU: 2, MemoryBytes: gib, DiskBytes: 8 * gib, ImageUser: true, Console: h.defaultConsole}
		},
	}
	h.svc = vm.New(h.deps)
	t.Cleanup(func() { h.svc.Close() })
	h.reconcile()
	return h
}

func (h *harness) reconcile() {
	h.t.Helper()
	if err := h.svc.Reconcile(h.t.Context()); err != nil {
		h.t.Fatalf("Reconcile: %v", err)
	}
}

// restartDaemon ends the Service and begins another on the same world.
func (h *harness) restartDaemon(between func()) {
	h.t.Helper()
	h.svc.Close()
	between()
	h.svc = vm.New(h.deps)
	h.reconcile()
}

func (h *harness) create(name string, start bool) vm.VM {
	h.t.Helper()
	v, err := h.svc.Create(h.t.Context(), vm.CreateRequest{Name: &name, Start: start}, operation.Discard{})
	if err != nil {
		h.t.Fatalf("Create %s: %v", name, err)
	}
	return v
}

func (h *harness) get(name string) vm.VM {
	h.t.Helper()
	v, err := h.svc.Get(h.t.Context(), name)
	if err != nil {
		h.t.Fatalf("Get %s: %v", name, err)
	}
	return v
}

// machine is the living machine of the VM called web.
func (h *harness) machine() *fakeMachine {
	h.t.Helper()
	m := h.machines.get(h.get("web").ID)
	if m == nil {
		h.t.Fatal("VM web has no machine")
	}
	return m
}

// eventually waits until the record of a VM is as wanted.
func (h *harness) eventually(name string, want func(vm.VM) bool) vm.VM {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		v := h.get(name)
		if want(v) {
			return v
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			h.t.Fatalf("VM %s stays %+v", name, v)
		}
	}
}

func inState(s vm.State) func(vm.VM) bool { return func(v vm.VM) bool { return v.State == s } }

// nothingLeft checks that no VM is anywhere.
func (h *harness) nothingLeft() {
	h.t.Helper()
	vms, err := h.store.List(context.WithoutCancel(h.t.Context()))
	if err != nil {
		h.t.Fatal(err)
	}
	if len(vms) != 0 {
		h.t.Errorf("records left: %+v", vms)
	}
	if n := h.disks.count(); n != 0 {
		h.t.Errorf("%d disks left", n)
	}
	if n := len(h.disks.names); n != 0 {
		h.t.Errorf("%d names left", n)
	}
	if n := h.machines.count(); n != 0 {
		h.t.Errorf("%d machines left", n)
	}
}

func wantFault(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("error = %v, want %s", err, code)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	if fault.HintOf(err).String() == "" {
		t.Errorf("error %q has no hint", err)
	}
}
