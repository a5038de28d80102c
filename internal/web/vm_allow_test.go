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
	if !strings.Contains(page, "allow=metrics.example&amp;lookup=yes#allow") {
		t.Error("the row of the lookup does not lead to its form")
	}
	wants(t, b.get("/vms/web/egress?allow=metrics.example&lookup=yes", http.StatusOK),
		"Matches what was denied: to look up metrics.example", "any server that answers as metrics.example, by tcp/443. The rule stays in the policy of this VM until you remove it.", "banger vm egress allow web metrics.example tcp/443")
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
		form := url.Values{"do": {"allow"}, "target": {"metrics.example"}, "lookup": {"yes"}, "rule": {rule}}
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
