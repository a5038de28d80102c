package vm_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// atNoon has the Service begin anew with a clock that stands at noon.
func (h *harness) atNoon() (noon time.Time, set func(time.Time)) {
	noon = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	var now atomic.Pointer[time.Time]
	now.Store(&noon)
	h.restartDaemon(func() { h.deps.Now = func() time.Time { return *now.Load() } })
	return noon, func(at time.Time) { now.Store(&at) }
}

func TestARuleForATimeEnds(t *testing.T) {
	h := newHarness(t)
	noon, setClock := h.atNoon()
	h.create("web", true)
	v, err := h.svc.AddEgress(t.Context(), "web", vm.EgressAddition{Rules: []string{"allow a.example"}, For: 10 * time.Minute})
	if err != nil || v.Egress != "default allow\nallow a.example until 2027-01-31T12:10:00Z" {
		t.Fatalf("AddEgress gave %q, %v", v.Egress, err)
	}
	h.settled("web", v.Egress)
	setClock(noon.Add(10*time.Minute - 1))
	vm.LookForEnds(h.svc)
	if got := h.get("web").Egress; got != v.Egress {
		t.Errorf("before its end it is %q", got)
	}
	setClock(noon.Add(10 * time.Minute))
	vm.LookForEnds(h.svc) // stands for its timer, which counts real time
	h.eventually("web", func(v vm.VM) bool { return v.Egress == "all" })
	h.settled("web", "all")
}

// bangerd may be down at the end of a rule.
func TestARuleEndsWhileTheDaemonIsDown(t *testing.T) {
	h := newHarness(t)
	noon, setClock := h.atNoon()
	h.create("web", false)
	if _, err := h.svc.AddEgress(t.Context(), "web", vm.EgressAddition{Rules: []string{"allow a.example"}, For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	h.restartDaemon(func() { setClock(noon.Add(2 * time.Hour)) })
	h.eventually("web", func(v vm.VM) bool { return v.Egress == "all" })
}

func TestAdditionsThatAreRefused(t *testing.T) {
	h := newHarness(t)
	v := h.create("web", false)
	one := []string{"allow a.example"}
	for word, add := range map[string]vm.EgressAddition{
		"for 1ms":      {Rules: one, For: time.Millisecond},
		"for -1s":      {Rules: one, For: -time.Second},
		"for 720h0m1s": {Rules: one, For: egress.MaxTime + time.Second},
		"for always":   {Rules: one, For: time.Hour, Always: true},
		"no rule":      {Always: true},
		"it ends":      {Rules: []string{"allow a.example until 2999-01-01T00:00:00Z"}, Always: true},
	} {
		_, err := h.svc.AddEgress(t.Context(), "web", add)
		wantFault(t, err, fault.Invalid, strings.TrimPrefix(word, "it "))
	}
	if rules, err := h.svc.EgressRules(t.Context()); err != nil || len(rules) > 0 || h.get("web").Egress != v.Egress {
		t.Errorf("after the refusals there are %q, %v, %q", rules, err, h.get("web").Egress)
	}
	if _, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: new("lonely"), Network: vm.NetworkNone}, operation.Discard{}); err != nil {
		t.Fatal(err)
	}
	_, err := h.svc.AddEgress(t.Context(), "lonely", vm.EgressAddition{Rules: one, Always: true})
	wantFault(t, err, fault.Conflict, "no network")
	if rules, err := h.svc.EgressRules(t.Context()); err != nil || len(rules) > 0 {
		t.Errorf("what no VM took is for new VMs: %q, %v", rules, err)
	}
}

func TestARuleForAlwaysIsForNewVMs(t *testing.T) {
	h := newHarness(t)
	h.create("web", false)
	h.create("other", false)
	v, err := h.svc.AddEgress(t.Context(), "web", vm.EgressAddition{Rules: []string{"allow host:8080"}, Always: true})
	if err != nil || v.Egress != "default allow\nallow host tcp/8080" {
		t.Fatalf("AddEgress gave %q, %v", v.Egress, err)
	}
	if got := h.get("other").Egress; got != "all" {
		t.Errorf("another VM now has %q", got)
	}
	h.restartDaemon(func() {})
	for name, c := range map[string]struct {
		egress *string
		mode   vm.NetworkMode
		has    bool
	}{
		"default":  {nil, vm.NetworkUser, true},
		"preset":   {new("packages"), vm.NetworkUser, true},
		"none":     {new("none"), vm.NetworkUser, false},
		"rules":    {new("default allow; deny a.example"), vm.NetworkUser, false},
		"no-card":  {nil, vm.NetworkNone, false},
		"rules-no": {new("default deny"), vm.NetworkUser, false},
	} {
		v, err := h.svc.Create(t.Context(), vm.CreateRequest{Name: &name, Egress: c.egress, Network: c.mode}, operation.Discard{})
		if err != nil || strings.Contains(v.Egress, "allow host tcp/8080") != c.has {
			t.Errorf("%s: %q, %v", name, v.Egress, err)
		}
	}
}

func TestTheConfiguredPolicyBeginsWithTheRules(t *testing.T) {
	h := newHarness(t)
	defaults := h.deps.Defaults
	h.restartDaemon(func() {
		h.deps.Defaults = func(ctx context.Context) vm.Defaults {
			d := defaults(ctx)
			d.Egress = "default deny; allow b.example"
			return d
		}
	})
	if _, err := h.svc.AddEgressRules(t.Context(), []string{"allow a.example", "deny c.example"}); err != nil {
		t.Fatal(err)
	}
	if v := h.create("web", false); v.Egress != "default deny\nallow a.example\ndeny c.example\nallow b.example" {
		t.Errorf("it has %q", v.Egress)
	}
}

func TestRulesOfNewVMs(t *testing.T) {
	h := newHarness(t)
	rules, err := h.svc.AddEgressRules(t.Context(), []string{"allow a.example", "allow B.example:443"})
	if diff := cmp.Diff([]string{"allow a.example", "allow b.example tcp/443"}, rules); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	rules, err = h.svc.RemoveEgressRules(t.Context(), []string{"allow a.example"})
	if diff := cmp.Diff([]string{"allow b.example tcp/443"}, rules); err != nil || diff != "" {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	_, err = h.svc.RemoveEgressRules(t.Context(), []string{"allow b.example tcp/443", "allow a.example"})
	wantFault(t, err, fault.NotFound, "allow a.example")
	_, err = h.svc.AddEgressRules(t.Context(), nil)
	wantFault(t, err, fault.Invalid, "no rule")
	_, err = h.svc.AddEgressRules(t.Context(), []string{"nonsense"})
	wantFault(t, err, fault.Invalid, "nonsense")
	var many []string
	for n := range vm.MaxEgressRules {
		many = append(many, fmt.Sprintf("allow a%d.example", n))
	}
	_, err = h.svc.AddEgressRules(t.Context(), many)
	wantFault(t, err, fault.Invalid, "257 egress rules")
	rules, err = h.svc.EgressRules(t.Context())
	if err != nil || len(rules) != 1 {
		t.Errorf("after the refusals there are %q, %v", rules, err)
	}
	if _, err := h.svc.AddEgressRules(t.Context(), many[1:]); err != nil {
		t.Error(err)
	}
}
