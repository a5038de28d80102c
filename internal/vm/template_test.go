package vm_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/vm"
)

// fakeTemplates has a saved machine for every start.
type fakeTemplates struct {
	mu     sync.Mutex
	asked  []string // the kernels' names
	failed []string
}

func (f *fakeTemplates) For(_ context.Context, spec vm.Spec, k vm.Kernel) *vm.Template {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, k.Name)
	return &vm.Template{Key: "key", Shape: spec.Driver}
}

func (f *fakeTemplates) Failed(_ context.Context, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = append(f.failed, key)
}

func withTemplates(t *testing.T) (*harness, *fakeTemplates) {
	h, f := newHarness(t), &fakeTemplates{}
	h.svc.Close()
	h.deps.Templates = f
	h.svc = vm.New(h.deps)
	h.reconcile()
	return h, f
}

func TestStartsGoOnFromATemplateButARescueBoots(t *testing.T) {
	h, f := withTemplates(t)
	h.create("web", true)
	if spec := h.machines.lastSpec(t); spec.Template == nil || spec.Template.Key != "key" || spec.Saves {
		t.Errorf("a create starts by %+v", spec.Template)
	}
	if _, err := h.svc.Stop(t.Context(), "web", time.Minute, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	if spec := h.machines.lastSpec(t); spec.Template == nil {
		t.Error("a later start boots")
	}
	if _, err := h.svc.Stop(t.Context(), "web", time.Minute, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Rescue(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	if spec := h.machines.lastSpec(t); spec.Template != nil || len(f.asked) != 2 {
		t.Errorf("a rescue starts by %+v; asked %q", spec.Template, f.asked)
	}
}

func TestATemplateThatFailedAtAStartIsReported(t *testing.T) {
	h, f := withTemplates(t)
	h.machines.boot = vm.BootTimeline{How: vm.BootCold, Driver: "qemu-tcg", Template: "key", NotRestored: "short"}
	v := h.create("web", true)
	if v.BootTimeline.NotRestored != "short" {
		t.Errorf("the VM has %+v", v.BootTimeline)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.failed, []string{"key"}) {
		t.Errorf("%q were reported", f.failed)
	}
}
