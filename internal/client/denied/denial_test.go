package denied_test

import (
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/denied"
)

func TestDenialsOfRecords(t *testing.T) {
	for want, r := range map[string]api.EgressRecord{
		"allow a.example tcp/22":     {Event: "deny", Protocol: "tcp", Asked: "a.example b.example", Address: "203.0.113.7", Port: 22, Rule: "default deny"},
		"allow said.example tcp/443": {Event: "deny", Protocol: "tcp", Said: "said.example", Asked: "a.example", Address: "203.0.113.7", Port: 443},
		"allow 203.0.113.7 tcp/443":  {Event: "deny", Protocol: "tcp", Said: "a.example b.example", Address: "203.0.113.7", Port: 443},
		"allow 203.0.113.7 tcp/80":   {Event: "deny", Protocol: "tcp", Said: "host", Address: "203.0.113.7", Port: 80},
		"allow host tcp/8080":        {Event: "deny", Protocol: "tcp", Address: "198.18.0.2", Port: 8080, Rule: "reserved: the host's loopback"},
		"allow c.example tcp/443":    {Event: "dns", Name: "c.example"},
	} {
		d, ok := denied.Of(r)
		rule, err := d.Proposal()
		if !ok || err != nil || rule != want {
			t.Errorf("%+v: %q, %v, %v", r, rule, ok, err)
		}
		if _, err := d.AllowedBy(rule); err != nil {
			t.Errorf("%q: %v", rule, err)
		}
		if again, ok := denied.Of(d.Record()); !ok || again != d {
			t.Errorf("%+v comes back as %+v", d, again)
		}
	}
}

func TestWhatNoRuleAllows(t *testing.T) {
	for name, r := range map[string]api.EgressRecord{
		"host": {Event: "dns", Name: "host"}, "any": {Event: "dns", Name: "any"}, "address": {Event: "dns", Name: "127.0.0.1"},
	} {
		d, ok := denied.Of(r)
		if rule, err := d.Proposal(); !ok || err == nil {
			t.Errorf("%s: %q is proposed", name, rule)
		}
		if _, err := d.AllowedBy("allow " + r.Name); err == nil {
			t.Errorf("%s: the word for it allows it", name)
		}
	}
	for name, r := range map[string]api.EgressRecord{
		"allowed": {Event: "allow", Protocol: "tcp", Address: "203.0.113.7", Port: 1}, "no address": {Event: "deny", Protocol: "tcp", Name: "a.example", Port: 1},
		"no port": {Event: "deny", Protocol: "tcp", Address: "203.0.113.7", Port: 1 << 16}, "no name": {Event: "dns"},
	} {
		if d, ok := denied.Of(r); ok {
			t.Errorf("%s: %v", name, d)
		}
	}
	d, _ := denied.Of(api.EgressRecord{Event: "dns", Name: "a.example"})
	for _, text := range []string{"", "deny a.example", "nonsense", "allow b.example", "allow a.example; allow any"} {
		if _, err := d.AllowedBy(text); err == nil {
			t.Errorf("%q allows it", text)
		}
	}
}
