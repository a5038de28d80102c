package web_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/web"
	"github.com/bangervm/banger/internal/web/gate"
)

// browser is a signed-in browser of a console on a real port.
type browser struct {
	t       *testing.T
	api     *fakeAPI
	http    *http.Client
	console *web.Console
	base    string
	host    string
	roots   []string
}

func open(t *testing.T) *browser {
	t.Helper()
	b := &browser{t: t, api: &fakeAPI{more: make(chan api.Event), printed: make(chan string), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), state: api.VMRunning}}
	l, err := web.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return b.api.now }
	book := gate.NewBook(gate.Record{}, now, func(gate.Record) error { return nil })
	console, err := web.New(l, web.Options{API: b.api, Book: book, Own: func(net.Conn) (bool, error) { return true, nil }, Now: now, Roots: func() []string { return b.roots }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b.console = console
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- console.Serve(ctx) }()
	t.Cleanup(func() {
		b.http.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.http = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	// The console's name is not looked up here: its address is dialled, with the name as host.
	b.base, b.host = "http://"+console.Address(), strings.TrimSuffix(strings.TrimPrefix(console.URL(), "http://"), "/")
	link, _, err := console.Link()
	if err != nil {
		t.Fatal(err)
	}
	entry, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	b.get(entry.Path, http.StatusOK)
	return b
}

func (b *browser) do(method, path string, form url.Values, want int) (body string, header http.Header) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Host = b.host
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", "http://"+b.host)
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		b.t.Fatalf("%s %s: %d, want %d: %v\n%s", method, path, res.StatusCode, want, err, data)
	}
	return string(data), res.Header
}

func (b *browser) get(path string, want int) string {
	b.t.Helper()
	body, _ := b.do(http.MethodGet, path, nil, want)
	return body
}

// send fills in the form at path with the token of a page and returns where it leads.
func (b *browser) send(path string, form url.Values) string {
	b.t.Helper()
	form.Set("token", b.token())
	_, header := b.do(http.MethodPost, path, form, http.StatusSeeOther)
	return header.Get("Location")
}

var tokenField = regexp.MustCompile(`name="token" value="([0-9a-f]{64})"`)

func (b *browser) token() string {
	b.t.Helper()
	found := tokenField.FindStringSubmatch(b.get("/", http.StatusOK))
	if found == nil {
		b.t.Fatal("the dashboard has no form token")
	}
	return found[1]
}

// pages are all that a browser can open.
func pages() []string {
	return []string{
		"/", "/?show=running&q=web", "/vms/web", "/vms/web/delete", "/vms/web/reset", "/vms/web/kill", "/vms/web/stop", "/vms/web/restart", "/vms/web/rename", "/vms/web/commit", "/vms/web/set", "/vms/web/processes", "/vms/web/workspace", "/vms/web/workspace?op=op2", "/vms/web/workspace?op=op1",
		"/vms/web/workspace/diff?op=op2&file=0", "/vms/web/workspace/diff?op=op2&file=1", "/vms/web/workspace/apply?op=op2",
		"/vms/web/egress", "/vms/web/egress?edit=1&target=x", "/vms/web/egress?allow=dns&name=a.example&show=denied", "/vms/web/console", "/vms/web/console?q=script",
		"/?show=needs", "/vms/web/sessions/agent", "/vms/web/sessions/agent/end", "/vms/web/sessions/agent/kill", "/vms/web/ports", "/vms/web/resources",
		"/operations", "/operations/op1", "/images", "/kernels", "/doctor", "/settings", "/create", "/files?field=x&back=/kernels", "/images/delete?name=x", "/kernels/delete?" + url.Values{"name": {hostile}}.Encode(), "/images/tag?name=x", "/images/register?rootfs=x", "/prune", "/prune?all=1", "/vms/none", "/no-such-page",
	}
}

// Guest text is text on every page: no element and no attribute comes from it.
func TestHostileTextIsText(t *testing.T) {
	b := open(t)
	for _, state := range api.VMStates() {
		b.api.state = state
		for _, path := range pages() {
			body := b.page(path)
			if i := strings.IndexFunc(body, unseen); i >= 0 {
				t.Errorf("%s has %q, which is not seen", path, body[max(0, i-20):i+3])
			}
			res, err := html.Parse(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for n := range res.Descendants() {
				checkElement(t, path, n)
			}
		}
	}
}

func unseen(r rune) bool { return r != '\n' && r != '\t' && !plain.Shows(r) }

func (b *browser) page(path string) string {
	b.t.Helper()
	want := http.StatusOK
	if strings.HasPrefix(path, "/no-such") || path == "/vms/none" {
		want = http.StatusNotFound
	}
	if states, only := map[string][]string{
		"/vms/web/stop": {api.VMRunning, api.VMPaused, api.VMSuspended}, "/vms/web/restart": {api.VMRunning},
		"/vms/web/kill":  {api.VMRunning, api.VMPaused, api.VMStarting, api.VMStopping},
		"/vms/web/reset": {api.VMRunning, api.VMPaused, api.VMStopped, api.VMFailed},
	}[path]; only && !slices.Contains(states, b.api.state) {
		want = http.StatusConflict
	}
	return b.get(path, want)
}

func checkElement(t *testing.T, path string, n *html.Node) {
	t.Helper()
	if n.Type != html.ElementNode {
		return
	}
	if n.Data == "img" || n.Data == "style" || n.Data == "script" && n.FirstChild != nil {
		t.Errorf("%s has a <%s>", path, n.Data)
	}
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style":
			t.Errorf("%s: <%s> has the attribute %s", path, n.Data, a.Key)
		case a.Key == "href" || a.Key == "src" || a.Key == "action":
			if u, err := url.Parse(a.Val); err != nil || u.Scheme == "javascript" {
				t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
			}
		}
	}
}

// What changes something is a POST with the session's token.
func TestEachFormHasAToken(t *testing.T) {
	b := open(t)
	for _, path := range pages() {
		page, err := html.Parse(strings.NewReader(b.page(path)))
		if err != nil {
			t.Fatal(err)
		}
		for n := range page.Descendants() {
			if n.Type == html.ElementNode && n.Data == "form" && attribute(n, "method") == "post" && !hasToken(n) {
				t.Errorf("%s: the form to %s has no token", path, attribute(n, "action"))
			}
		}
	}
}

func hasToken(form *html.Node) bool {
	for n := range form.Descendants() {
		if n.Data == "input" && attribute(n, "name") == "token" && attribute(n, "value") != "" {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func TestButtonsDoWhatTheySay(t *testing.T) {
	b := open(t)
	b.api.quiet = true
	for do, want := range map[string]string{"start": "start web", "stop": "stop web", "restart": "restart web", "pause": "pause web", "resume": "resume web", "protect": "update web protected=true labels=map[] env=[] unset=[]"} {
		b.api.calls = nil
		if to := b.send("/vms/web", url.Values{"do": {do}}); !strings.HasPrefix(to, "/vms/web?did=") {
			t.Errorf("%s leads to %s", do, to)
		}
		if got := strings.Join(b.api.calls, ", "); got != want {
			t.Errorf("%s did %q", do, got)
		}
	}
}

func TestAnUnknownButtonIsRefused(t *testing.T) {
	b := open(t)
	b.do(http.MethodPost, "/vms/web", url.Values{"token": {b.token()}, "do": {"levitate"}}, http.StatusUnprocessableEntity)
	if len(b.api.calls) > 0 {
		t.Errorf("it did %v", b.api.calls)
	}
}

func TestAFailureIsTheCommandLinesFailure(t *testing.T) {
	b := open(t)
	b.api.quiet = true
	b.api.err = fault.New(fault.Conflict, "VM web is paused").WithHint("resume it")
	body, _ := b.do(http.MethodPost, "/vms/web", url.Values{"token": {b.token()}, "do": {"stop"}}, http.StatusConflict)
	for _, want := range []string{"VM web is paused", "resume it", "conflict"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestDeleteAsksForTheName(t *testing.T) {
	b := open(t)
	form := url.Values{"token": {b.token()}, "name": {"wab"}, "id": {"1"}, "alive": {"yes"}, "work": {"yes"}}
	if body, _ := b.do(http.MethodPost, "/vms/web/delete", form, http.StatusOK); !strings.Contains(body, "wab is another name") || len(b.api.calls) > 0 {
		t.Errorf("another name: %v", b.api.calls)
	}
	form.Set("name", "web")
	if to := b.send("/vms/web/delete", form); to != "/operations/op1" || strings.Join(b.api.calls, ",") != "delete 1 --force --discard-work" {
		t.Errorf("%s after %v", to, b.api.calls)
	}
}

// The page of a deletion names what is lost, and its command would lose the same.
func TestDeleteNamesWhatIsLost(t *testing.T) {
	body := open(t).get("/vms/web/delete", http.StatusOK)
	for _, want := range []string{"7 changed files in the workspace", "1 running session", "banger vm rm --force --discard-work web"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// The page after says what happened to each VM that was marked. They are known by their IDs: a name may be
// another VM's by then.
func TestMarkedVMs(t *testing.T) {
	b := open(t)
	b.api.besides = []api.Event{b.api.another("2", "other")}
	page := b.posted("/vms", url.Values{"do": {"stop"}, "vm": {"1", "2", "web", "9"}, "confirmed": {"yes"}})
	if got := strings.Join(b.api.calls, ", "); got != "stop 1, stop 2" {
		t.Error(got)
	}
	wants(t, page, "Stop 4 VMs", "webstopping", "otherstopping", "9not done", "the VM that was marked is gone")
	if strings.Count(page, `href="/operations/op1"`) != 2 {
		t.Error("the operations are not linked")
	}
	b.api.calls, b.api.fails = nil, map[string]error{"pause 1": fault.New(fault.Conflict, "VM web is stopped").WithHint("start it")}
	page = b.posted("/vms", url.Values{"do": {"pause"}, "vm": {"1", "2"}})
	if got := strings.Join(b.api.calls, ", "); got != "pause 1, pause 2" {
		t.Errorf("after one that failed: %s", got)
	}
	wants(t, page, "webnot done", "conflict: VM web is stopped", "start it", "otherpaused")
	b.do(http.MethodPost, "/vms", url.Values{"token": {b.token()}, "do": {"stop"}}, http.StatusUnprocessableEntity)
}

// A form leads to pages of the console only.
func TestFormsLeadNowhereElse(t *testing.T) {
	b := open(t)
	for _, from := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "/\tevil"} {
		if to := b.send("/theme", url.Values{"theme": {"dark"}, "from": {from}}); to != "/" {
			t.Errorf("from %q it leads to %q", from, to)
		}
	}
	if to := b.send("/theme", url.Values{"theme": {"dark"}, "from": {"/vms/web?show=x"}}); to != "/vms/web?show=x" {
		t.Errorf("it leads to %q", to)
	}
	if body := b.get("/", http.StatusOK); !strings.Contains(body, `data-theme="dark"`) {
		t.Error("the theme is not kept")
	}
}

// Pages and their assets are small.
func TestWeight(t *testing.T) {
	b := open(t)
	body := b.get("/", http.StatusOK)
	total := len(body)
	for _, found := range regexp.MustCompile(`(?:href|src)="(/assets/[^"#]+)"`).FindAllStringSubmatch(body, -1) {
		total += len(b.get(found[1], http.StatusOK))
	}
	if total > 200_000 {
		t.Errorf("the dashboard with its assets has %d bytes", total)
	}
}
