package vm_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func TestAVMKeepsItsDriverUntilItIsGivenAnother(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	restart := func() string {
		t.Helper()
		if _, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil {
			t.Fatal(err)
		}
		if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
			t.Fatal(err)
		}
		return h.machines.specs[len(h.machines.specs)-1].Driver
	}
	set := func(driver string) error {
		if _, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil {
			t.Fatal(err)
		}
		_, err := h.svc.Set(t.Context(), "web", vm.Change{Driver: &driver})
		if _, startErr := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); startErr != nil {
			t.Fatal(startErr)
		}
		return err
	}
	h.host.chosen = "firecracker" // as when it was installed since
	if got := restart(); got != "qemu-tcg" {
		t.Errorf("it went over to %s", got)
	}
	if err := set(vm.DriverAuto); err != nil || h.get("web").Driver != "firecracker" {
		t.Errorf("auto: %v, %+v", err, h.get("web"))
	}
	if err := set("qemu-kvm"); err != nil || h.get("web").Driver != "qemu-kvm" {
		t.Errorf("qemu-kvm: %v, %+v", err, h.get("web"))
	}
	h.host.broken = map[string]error{
		"xen": fault.New(fault.Invalid, "no driver xen"), "qemu-kvm": fault.New(fault.Unavailable, "/dev/kvm is gone").WithHint("get it back"),
	}
	if _, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"xen", ""} {
		if _, err := h.svc.Set(t.Context(), "web", vm.Change{Driver: &bad}); !errors.Is(err, fault.Invalid) || h.get("web").Driver != "qemu-kvm" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet)
	if !errors.Is(err, fault.Unavailable) || err.Error() != "cannot use driver qemu-kvm, which VM web has: /dev/kvm is gone" ||
		!strings.HasPrefix(fault.HintOf(err).String(), "get it back, or give the VM another driver: ") {
		t.Errorf("%v, hint %s", err, fault.HintOf(err).String())
	}
}

func TestAVMIsCreatedWithTheDriverThatIsAskedFor(t *testing.T) {
	h := newHarness(t)
	v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Driver: new("qemu-kvm"), Start: true}, operation.Discard{})
	if err != nil || v.Driver != "qemu-kvm" || h.machines.specs[0].Driver != "qemu-kvm" {
		t.Errorf("%+v, %v", v, err)
	}
	h.host.broken = map[string]error{"firecracker": fault.New(fault.Unavailable, "it is not installed")}
	if err := h.svc.CheckCreate(t.Context(), vm.CreateRequest{Driver: new("firecracker")}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestAKernelThatTheDriverCannotBootIsRefusedBeforeAnythingIsMade(t *testing.T) {
	h := newHarness(t)
	refused := fault.New(fault.Invalid, "QEMU cannot boot kernel %q: it has no PVH entry point", "debian-12")
	h.host.boots = func(driver string, k vm.Kernel) error {
		if driver == "qemu-kvm" {
			return refused
		}
		return nil
	}
	_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Driver: new("qemu-kvm")}, operation.Discard{})
	if !errors.Is(err, refused) {
		t.Errorf("Create gave %v", err)
	}
	h.nothingLeft()
	v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Driver: new("firecracker")}, operation.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Set(t.Context(), "a", vm.Change{Driver: new("qemu-kvm")}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.svc.Set(t.Context(), "a", vm.Change{Kernel: new("newer")}); !errors.Is(err, refused) || h.get("a").Kernel != "debian-12" {
		t.Errorf("Set gave %v, the kernel is %s", err, h.get("a").Kernel)
	}
	if _, err := h.svc.Start(t.Context(), "a", vm.WaitReady(), quiet); !errors.Is(err, refused) || h.get(v.Name).State != vm.Stopped {
		t.Errorf("Start gave %v, the VM is %s", err, h.get(v.Name).State)
	}
}

func TestADriverThatIsConfiguredUnderARunningVMDisturbsItNot(t *testing.T) {
	h := newHarness(t)
	before := h.create("web", true)
	machine := h.machines.get(before.ID)
	h.host.chosen = "firecracker"
	h.host.broken = map[string]error{"qemu-tcg": fault.New(fault.Unavailable, "it was removed")}
	h.restartDaemon(func() {})
	v := h.get("web")
	if v.State != vm.Running || v.Driver != before.Driver || v.StartID != before.StartID || h.machines.get(v.ID) != machine {
		t.Errorf("it is %+v", v)
	}
	if _, err := h.svc.Pause(t.Context(), "web"); err != nil {
		t.Error(err)
	}
	if _, err := h.svc.Resume(t.Context(), "web"); err != nil {
		t.Error(err)
	}
	if other := h.create("new", true); other.Driver != "firecracker" {
		t.Errorf("a new VM has %s", other.Driver)
	}
	if v, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil || v.State != vm.Stopped {
		t.Errorf("Stop = %+v, %v", v, err)
	}
}
