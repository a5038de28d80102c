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

func TestAConsoleThatCostsIsThereOnRequest(t *testing.T) {
	for _, tt := range []struct {
		driver    string
		asked     *bool
		byDefault bool
		none      bool
	}{
		{"qemu-tcg", nil, false, false},
		{"qemu-tcg", new(false), false, false},
		{"firecracker", nil, false, true},
		{"firecracker", new(true), false, false},
		{"firecracker", nil, true, false},
		{"firecracker", new(false), true, true},
	} {
		h := newHarness(t)
		h.host.consoleCosts = map[string]bool{"firecracker": true}
		h.defaultConsole = tt.byDefault
		v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Driver: &tt.driver, Console: tt.asked, Start: true}, operation.Discard{})
		if err != nil {
			t.Fatal(err)
		}
		if v.NoConsole != tt.none || h.machines.lastSpec(t).NoConsole != tt.none || (v.ConsoleErr() != nil) != tt.none {
			t.Errorf("%+v: the VM has %v, the start %v, its log: %v", tt, v.NoConsole, h.machines.lastSpec(t).NoConsole, v.ConsoleErr())
		}
	}
}

func TestAMissingConsoleLogHasItsRemedy(t *testing.T) {
	h := newHarness(t)
	h.host.consoleCosts = map[string]bool{"firecracker": true}
	h.host.chosen = "firecracker"
	says := func(message, hint string) {
		t.Helper()
		err := h.get("web").ConsoleErr()
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), message) || fault.HintOf(err).String() != hint {
			t.Errorf("%v, hint %q; want %s, %s", err, fault.HintOf(err).String(), message, hint)
		}
	}
	h.create("web", true)
	says("on firecracker a VM has a serial console only if it asks for one", "vm stop web, then vm set web (console), then vm start web")
	if _, err := h.svc.Stop(t.Context(), "web", time.Second, quiet); err != nil {
		t.Fatal(err)
	}
	says("has no console log", "vm set web (console), then vm start web")
	if _, err := h.svc.Set(t.Context(), "web", vm.Change{Console: new(true)}); err != nil {
		t.Fatal(err)
	}
	says("before its next start", "vm start web")
	if _, err := h.svc.Start(t.Context(), "web", vm.WaitReady(), quiet); err != nil {
		t.Fatal(err)
	}
	if err := h.get("web").ConsoleErr(); err != nil {
		t.Error(err)
	}
}

func TestAGuestWithoutAConsoleThatDoesNotComeUpHasTheRemedy(t *testing.T) {
	h := newHarness(t)
	h.host.consoleCosts = map[string]bool{"firecracker": true}
	h.machines.atStart = func(m *fakeMachine) { m.exit(vm.ReasonGuestFailed, true) }
	for driver, hint := range map[string]string{"qemu-tcg": "vm logs a, or", "firecracker": "vm set a (console), then vm start a to see its console, or"} {
		_, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("a"), Driver: &driver, Start: true}, operation.Discard{})
		if !strings.HasPrefix(fault.HintOf(err).String(), hint) {
			t.Errorf("%s: %v, hint %q", driver, err, fault.HintOf(err).String())
		}
		if err := h.svc.Delete(t.Context(), "a", vm.Removal{}, quiet); err != nil {
			t.Fatal(err)
		}
	}
}
