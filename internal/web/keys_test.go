package web_test

import (
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/bangervm/banger/internal/api"
)

// Each page can show the keys, and settings list them without scripts.
func TestTheKeysAreListed(t *testing.T) {
	b := open(t)
	for _, path := range []string{"/", "/settings", "/vms/web"} {
		page := b.get(path, http.StatusOK)
		if wants(t, page, "The next row, the row before", "Mark the row of a VM"); !strings.Contains(page, `<dialog class="dialog" id="keys"`) || !strings.Contains(page, "/keys.js") {
			t.Errorf("%s has no keys", path)
		}
	}
}

// Whoever sees or reaches a button that does nothing is told why beside it.
func TestDisabledButtonsSayWhy(t *testing.T) {
	b := open(t)
	for _, state := range []string{api.VMRunning, api.VMStopped} {
		b.api.state = state
		for _, path := range append(pages(), "/vms/web/menu") {
			if path == "/vms/web/menu" {
				checkDisabled(t, state+path, b.get(path, http.StatusOK))
				continue
			}
			checkDisabled(t, state+path, b.page(path))
		}
	}
	b.api.state, b.api.session = api.VMRunning, api.SessionExited
	page := b.get("/vms/web/sessions/agent/kill", http.StatusOK)
	checkDisabled(t, "kill", page)
	wants(t, page, "It is exited")
}

func checkDisabled(t *testing.T, path, page string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for n := range root.Descendants() {
		if id := attribute(n, "id"); id != "" {
			texts[id] = textIn(n)
		}
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || attribute(n, "aria-disabled") == "" {
			continue
		}
		why := attribute(n, "title")
		if why == "" || n.Data != "button" || !strings.Contains(textIn(n)+texts[attribute(n, "aria-describedby")], why) {
			t.Errorf("%s: <%s> %q does not say why: %q", path, n.Data, textIn(n), why)
		}
	}
}

func textIn(n *html.Node) string {
	var text strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			text.WriteString(c.Data)
		}
	}
	return text.String()
}
