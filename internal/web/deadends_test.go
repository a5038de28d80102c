package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A page that says what is wrong has the console around it, and leads on.
func TestProblemsLeadOn(t *testing.T) {
	b := open(t)
	for path, status := range map[string]int{"/no-such-page": http.StatusNotFound, "/vms/none": http.StatusNotFound, "/vms/web/workspace/diff": http.StatusUnprocessableEntity} {
		body := b.get(path, status)
		wants(t, body, "VMs, who needs you first", "All VMs")
		if strings.Contains(body, "banger web<") || strings.Contains(body, "/v1/") {
			t.Errorf("%s speaks of signing in, or of the API", path)
		}
	}
	// Who is not signed in is told nothing else.
	fresh := *b
	fresh.http = &http.Client{}
	wants(t, fresh.get("/no-such-page", http.StatusUnauthorized), "banger web")
	wants(t, b.get("/vms/none?"+url.Values{"x": {"y"}}.Encode(), http.StatusNotFound), "Not found no VM")
}
