package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
)

// another is the event of a VM beside web.
func (f *fakeAPI) another(id, name string) api.Event {
	v := f.vm()
	v.ID, v.Name = id, name
	return event(api.EventVM, api.ActionPresent, id, v)
}

func (f *fakeAPI) denyOf(vm, id string, r api.EgressDecision) api.Event {
	r.Event, r.Protocol, r.Port, r.Time = "deny", "tcp", 443, f.now
	ev := event(api.EventEgress, api.ActionDenied, "", r)
	ev.ID, ev.VMID = id, vm
	return ev
}

// named is a denial of one destination, which each time had another address.
func named(i int, name string) api.EgressDecision {
	return api.EgressDecision{EgressRecord: api.EgressRecord{Name: name, Address: fmt.Sprintf("192.0.2.%d", i%250), Rule: "default deny"}}
}

// The same denial stands once, with how often it was; a VM that is denied much hides no other.
func TestANoisyVMHidesNoOtherDenial(t *testing.T) {
	b := open(t)
	b.api.besides = []api.Event{b.api.another("2", "quiet"), b.api.another("3", "loud")}
	b.api.denials = []api.Event{b.api.denyOf("2", "q", named(1, "quiet.example"))}
	for i := range 300 {
		b.api.denials = append(b.api.denials, b.api.denyOf("3", fmt.Sprint("same-", i), named(i, "again.example")))
	}
	for i := range 60 {
		b.api.denials = append(b.api.denials, b.api.denyOf("3", fmt.Sprint("loud-", i), named(i, fmt.Sprintf("n%d.example", i))))
	}
	for i := range 12 {
		b.api.denials = append(b.api.denials, b.api.denyOf("3", fmt.Sprint("late-", i), named(i, "late.example")))
	}
	page := b.get("/", http.StatusOK)
	list := page[strings.Index(page, `<div id="denials">`):]
	wants(t, list, "quiet quiet.example tcp/443", "loud late.example tcp/443", "at least 12 times, by default deny", "loud: 29 other denials")
	if n := strings.Count(list, `<a href="/vms/loud">`); n != 3 {
		t.Errorf("the loud one has %d rows", n)
	}
	if strings.Index(list, "late.example") > strings.Index(list, "n59.example") {
		t.Error("the latest is not first")
	}
	if strings.Contains(list, ">at least 1 times<") || strings.Contains(list, "quiet: ") {
		t.Error("what was once is counted, or what is shown is told of again")
	}
}

func TestDenialsThatHaveNoEventAreToldOf(t *testing.T) {
	b := open(t)
	first, second := named(1, "a.example"), named(2, "a.example")
	second.Missed = 7
	b.api.denials = []api.Event{b.api.denyOf("1", "a", first), b.api.denyOf("1", "b", second)}
	wants(t, b.get("/", http.StatusOK), "at least 2 times")
	b.api.denials = b.api.denials[:1]
	b.api.denials = append(b.api.denials, b.api.denyOf("1", "c", named(3, "a.example")))
	if page := b.get("/", http.StatusOK); !strings.Contains(page, ">2 times<") {
		t.Error("what is known to be all is not said so")
	}
}

// Of many denials the journal has only the latest.
func TestManyDenialsAreAtLeastSoMany(t *testing.T) {
	b := open(t)
	for i := range 64 {
		b.api.denials = append(b.api.denials, b.api.denyOf("1", fmt.Sprint("many-", i), named(i, "a.example")))
	}
	wants(t, b.get("/", http.StatusOK), "at least 64 times")
}

// The egress page has a row for each destination and ground.
func TestTheEgressLogIsGrouped(t *testing.T) {
	b := open(t)
	for i := range 40 {
		b.api.flows = append(b.api.flows,
			api.EgressRecord{Event: "deny", Protocol: "tcp", Name: "a.example", Address: fmt.Sprintf("192.0.2.%d", i), Port: 443, Rule: "default deny"},
			api.EgressRecord{Event: "close", Protocol: "tcp", Name: "b.example", Address: "192.0.2.1", Port: 443, Rule: "allow any", Sent: 1 << 20},
		)
	}
	b.api.flows = append(b.api.flows, api.EgressRecord{Event: "deny", Protocol: "tcp", Name: "a.example", Address: "192.0.2.1", Port: 22, Rule: "default deny"},
		api.EgressRecord{Event: "deny", Protocol: "tcp", Name: "a.example", Address: "192.0.2.1", Port: 443, Rule: "default deny", Reason: "60 more times"})
	page := b.get("/vms/web/egress", http.StatusOK)
	wants(t, page, "Denied 2", "Allowed 1", "100 times, by default deny", "40 MiB", "a.example tcp/22")
	if n := strings.Count(page, "<strong class=\"any\">"); n != 3 {
		t.Errorf("%d rows", n)
	}
}
