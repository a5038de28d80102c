package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A denied lookup is allowed with the ports that the user names. The rule must be for its name.
func TestAllowALookup(t *testing.T) {
	b := open(t)
	page := b.get("/vms/web/egress?show=denied", http.StatusOK)
	if !strings.Contains(page, "allow=dns&amp;name=metrics.example#allow") {
		t.Error("the row of the lookup does not lead to its form")
	}
	wants(t, b.get("/vms/web/egress?allow=dns&name=metrics.example", http.StatusOK),
		"Matches what was denied: to look up metrics.example", "any server that answers as metrics.example, by tcp/443.", "The rule stays in the policy of this VM until you remove it.", "banger vm egress allow web metrics.example tcp/443")
	for rule, want := range map[string]struct {
		ok    bool
		asked string
	}{
		"allow metrics.example tcp/22,443":   {true, "metrics.example tcp/22"},
		"allow metrics.example udp/53":       {true, "metrics.example udp/53"},
		"allow metrics.example:8080":         {true, "metrics.example tcp/8080"},
		"allow metrics.example:53 udp":       {true, "metrics.example udp/53"},
		"allow *.example tcp/1024-2048":      {true, "metrics.example tcp/1024"},
		"allow metrics.example":              {true, "metrics.example tcp/443"},
		"allow other.example tcp/22":         {false, ""},
		"allow 192.0.2.0/24 tcp/22":          {false, ""},
		"allow [2001:db8::1]:22":             {false, ""},
		"allow metrics.example tcp/nonsense": {false, ""},
	} {
		b.api.calls = nil
		form := url.Values{"do": {"allow"}, "allow": {"dns"}, "name": {"metrics.example"}, "rule": {rule}}
		if !want.ok {
			form.Set("token", b.token())
			body, _ := b.do(http.MethodPost, "/vms/web/egress", form, http.StatusOK)
			if !strings.Contains(body, `aria-invalid="true"`) || len(b.api.calls) > 0 {
				t.Errorf("%s is taken: %v", rule, b.api.calls)
			}
			continue
		}
		to, err := url.Parse(b.send("/vms/web/egress", form))
		if err != nil || to.Query().Get("target") != want.asked || len(b.api.calls) != 1 {
			t.Errorf("%s leads to %v, %v: %v", rule, to, err, b.api.calls)
		}
	}
}

// What was denied is allowed in the VM, once, or always; each says what it means, and its command.
func TestHowLongARuleHolds(t *testing.T) {
	b := open(t)
	form := func(do, hold string) url.Values {
		return url.Values{"do": {do}, "vm": {"web"}, "allow": {"deny"}, "name": {"api.example"}, "address": {"192.0.2.3"}, "protocol": {"tcp"}, "port": {"443"}, "rule": {"allow api.example tcp/443"}, "hold": {hold}, "token": {b.token()}}
	}
	for hold, want := range map[string]struct{ did, command string }{
		"":         {"allow web allow api.example tcp/443", "banger vm egress allow web api.example tcp/443<"},
		"vm":       {"allow web allow api.example tcp/443", "banger vm egress allow web api.example tcp/443<"},
		"once":     {"allow web allow api.example tcp/443 for 600 s", "banger vm egress allow web api.example tcp/443 --for 10m<"},
		"always":   {"allow web allow api.example tcp/443 always", "banger vm egress allow web api.example tcp/443 --always<"},
		"nonsense": {"allow web allow api.example tcp/443", "banger vm egress allow web api.example tcp/443<"},
	} {
		page, _ := b.do(http.MethodPost, "/vms/web/egress", form("try", hold), http.StatusOK)
		part, _ := b.do(http.MethodPost, "/command/allow", form("", hold), http.StatusOK)
		wants(t, page, "ends by itself after 10 minutes", "new VMs begin with it")
		if !strings.Contains(page, want.command) || !strings.Contains(part, want.command) {
			t.Errorf("%q: the command is not %s", hold, want.command)
		}
		b.api.calls = nil
		b.send("/vms/web/egress", form("allow", hold))
		if len(b.api.calls) != 1 || b.api.calls[0] != want.did {
			t.Errorf("%q did %q", hold, b.api.calls)
		}
	}
}

func TestRulesOfNewVMs(t *testing.T) {
	b := open(t)
	wants(t, b.get("/settings", http.StatusOK), "allow *.new.example tcp/443", "banger egress rm 'allow *.new.example tcp/443'", "banger egress allow TARGET")
	for _, c := range []struct{ do, did string }{{"add", "new VMs: allow a.example"}, {"remove", "no longer for new VMs: allow a.example"}} {
		b.api.calls = nil
		if to := b.send("/settings", url.Values{"do": {c.do}, "rule": {"allow a.example"}}); !strings.HasSuffix(to, "#rules") || len(b.api.calls) != 1 || b.api.calls[0] != c.did {
			t.Errorf("%s leads to %s: %q", c.do, to, b.api.calls)
		}
	}
	page, _ := b.do(http.MethodPost, "/settings", url.Values{"do": {"add"}, "rule": {"allow <b>"}, "token": {b.token()}}, http.StatusOK)
	if !strings.Contains(page, `value="allow &lt;b&gt;"`) || !strings.Contains(page, `aria-invalid="true"`) {
		t.Error("the rule that was not taken is not in its field")
	}
	b.do(http.MethodPost, "/settings", url.Values{"do": {"nonsense"}, "token": {b.token()}}, http.StatusUnprocessableEntity)
}
