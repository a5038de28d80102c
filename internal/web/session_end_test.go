package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A session is stopped once the page has said what ends, and only the one it was about.
func TestASessionIsStopped(t *testing.T) {
	b := open(t)
	const path = "/vms/web/sessions/agent/end"
	wants(t, b.get(path, http.StatusOK), "Its programs end", "banger vm session stop web")
	if to := b.send(path, url.Values{"id": {"s1"}, "do": {"Stop"}}); !strings.HasPrefix(to, "/vms/web?did=Stopped") {
		t.Errorf("it leads to %s", to)
	}
	if got := strings.Join(b.api.calls, ", "); got != "stop session web s1" {
		t.Errorf("it did %q", got)
	}
	b.api.calls = nil
	for _, form := range []url.Values{{"id": {"s2"}, "do": {"Stop"}}, {"id": {"s1"}, "do": {"Delete"}}} {
		form.Set("token", b.token())
		b.do(http.MethodPost, path, form, http.StatusConflict)
	}
	if len(b.api.calls) > 0 {
		t.Errorf("another one: %v", b.api.calls)
	}
}
