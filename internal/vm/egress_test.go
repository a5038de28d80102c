package vm_test

import (
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestEgressOfAStoppedVM(t *testing.T) {
	h := newHarness(t)
	if v := h.create("web", false); v.Egress != "all" || v.Network != vm.NetworkUser {
		t.Errorf("a new VM has %q, %q", v.Network, v.Egress)
	}
	v, err := h.svc.SetEgress(t.Context(), "web", "  default  DENY; allow Example.ORG # why not\n")
	if err != nil || v.Egress != "default deny\nallow example.org" {
		t.Errorf("SetEgress gave %q, %v", v.Egress, err)
	}
	v, err = h.svc.AddEgress(t.Context(), "web", vm.EgressAddition{Rules: []string{"deny 203.0.113.0/24", "allow any tcp/22"}})
	lines := strings.Split(v.Egress, "\n")
	if err != nil || len(lines) != 4 || lines[1] != "deny 203.0.113.0/24" || lines[2] != "allow any tcp/22" {
		t.Errorf("AddEgress gave %q, %v", v.Egress, err)
	}
	for _, rules := range [][]string{{"allow"}, {"allow any tcp/22", "nonsense"}, {"default allow"}} {
		_, err := h.svc.AddEgress(t.Context(), "web", vm.EgressAddition{Rules: rules})
		wantFault(t, err, fault.Invalid, rules[len(rules)-1])
	}
	if changed, err := h.svc.RemoveEgress(t.Context(), "web", []string{"allow any tcp/22"}); err != nil || strings.Contains(changed.Egress, "any") {
		t.Errorf("RemoveEgress gave %q, %v", changed.Egress, err)
	}
	_, err = h.svc.RemoveEgress(t.Context(), "web", []string{"deny 203.0.113.0/24", "allow any tcp/22"})
	wantFault(t, err, fault.NotFound, "allow any tcp/22")
	v = h.get("web")
	_, err = h.svc.AddEgress(t.Context(), "web", vm.EgressAddition{})
	wantFault(t, err, fault.Invalid, "no rule")
	_, err = h.svc.SetEgress(t.Context(), "web", "maybe")
	wantFault(t, err, fault.Invalid, "maybe")
	if got := h.get("web").Egress; got != v.Egress {
		t.Errorf("after the refusals it is %q", got)
	}
}

// The guest knows the host by a name that no rule by name is about.
func TestARuleCanNameTheHostAsTheGuestDoes(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	v, err := h.svc.SetEgress(t.Context(), "web", "default deny; allow "+vm.HostName+vm.NameSuffix+" tcp/8080; deny Host.VM. udp")
	if err != nil || v.Egress != "default deny\nallow host tcp/8080\ndeny host udp" {
		t.Errorf("SetEgress gave %q, %v", v.Egress, err)
	}
}

func TestEgressOfARunningVMHoldsAtOnce(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	if _, err := h.svc.SetEgress(t.Context(), "web", "none"); err != nil {
		t.Fatal(err)
	}
	if policy, _ := h.machine().seen(); policy != "none" {
		t.Errorf("the machine has %q", policy)
	}
}

func TestAPolicyThatIsNotTakenIsStoredAndTriedAgain(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	h.settled("web", "all")
	h.machine().refuse(fault.New(fault.Unavailable, "no answer"))
	_, err := h.svc.SetEgress(t.Context(), "web", "none")
	wantFault(t, err, fault.Unavailable, "stored", "not in force", "no answer")
	if got := h.get("web").Egress; got != "none" {
		t.Errorf("stored is %q", got)
	}
	h.machine().refuse(nil)
	h.settled("web", "none")
}

func TestAnOldMonitorIsRestarted(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	h.settled("web", "all")
	h.machine().refuse(fault.New(fault.Conflict, "its monitor is of an older build"))
	_, err := h.svc.SetEgress(t.Context(), "web", "none")
	wantFault(t, err, fault.Conflict, "older build")
	_, statsErr := h.svc.Stats(t.Context(), h.get("web"))
	_, _, portsErr := h.svc.Ports(t.Context(), "web")
	for _, err := range []error{err, statsErr, portsErr} {
		wantFault(t, err, fault.Conflict, "older build")
		if fault.HintOf(err).String() != "vm restart web" {
			t.Errorf("hint is %q", fault.HintOf(err).String())
		}
	}
}

func TestANewDaemonTellsAdoptedMachines(t *testing.T) {
	h := newHarness(t)
	h.create("web", true)
	h.settled("web", "all")
	h.restartDaemon(func() {
		_, err := h.store.Update(t.Context(), h.get("web").ID, func(v *vm.VM) error { v.Egress = "none"; return nil })
		if err != nil {
			t.Fatal(err)
		}
	})
	h.settled("web", "none")
}

func TestAProbeChangesNothing(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	if _, err := h.svc.SetEgress(t.Context(), "web", "none"); err != nil {
		t.Fatal(err)
	}
	probe, err := egress.NewProbe("", "example.org")
	if err != nil {
		t.Fatal(err)
	}
	for _, rules := range [][]string{nil, {"allow example.org"}, nil} {
		got, err := h.svc.TestEgress(t.Context(), "web", probe, rules)
		if err != nil || got.Allow != (rules != nil) {
			t.Errorf("%v: %+v, %v", rules, got, err)
		}
	}
	_, err = h.svc.TestEgress(t.Context(), "web", probe, []string{"nonsense"})
	wantFault(t, err, fault.Invalid, "nonsense")
	_, err = h.svc.TestEgress(t.Context(), "none", probe, nil)
	wantFault(t, err, fault.NotFound, "none")
}
