package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// page is a page that is live.
type page struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

type update struct {
	Version   string
	Fragments []struct{ ID, In, HTML string }
	Lists     map[string][]string
	Toasts    []string
	Needs     int
	Renew     bool
}

// live opens the stream of a page; status is that of the answer.
func (b *browser) live(query string) (p *page, status int) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+"/live?"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Host = b.host
	res, err := b.http.Do(req) //nolint:bodyclose // by close
	if err != nil {
		b.t.Fatal(err)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	p = &page{t: b.t, lines: lines, close: func() { cancel(); _ = res.Body.Close() }}
	b.t.Cleanup(p.close)
	return p, res.StatusCode
}

func (p *page) next() update {
	p.t.Helper()
	for p.lines.Scan() {
		if data, ok := strings.CutPrefix(p.lines.Text(), "data: "); ok {
			var u update
			if err := json.Unmarshal([]byte(data), &u); err != nil {
				p.t.Fatal(err)
			}
			return u
		}
	}
	p.t.Fatalf("the stream ended: %v", p.lines.Err())
	return update{}
}

// has waits for a fragment that says what is wanted.
func (p *page) has(id, want string) {
	p.t.Helper()
	for {
		for _, f := range p.next().Fragments {
			if f.ID == id && strings.Contains(f.HTML, want) {
				return
			}
		}
	}
}

func TestAPageGetsWhatChanges(t *testing.T) {
	b := open(t)
	p, _ := b.live("page=dashboard")
	first := p.next()
	if got := strings.Join(first.Lists["vm-rows"], " "); got != "vm-1" {
		t.Errorf("the rows are %q", got)
	}
	v := b.api.vm()
	v.State = api.VMPaused
	b.api.more <- event(api.EventVM, api.ActionChanged, "1", v)
	second := p.next()
	var changed []string
	for _, f := range second.Fragments {
		changed = append(changed, f.ID)
		if f.ID == "vm-1" && !strings.Contains(f.HTML, "paused") {
			t.Errorf("the row does not say paused: %s", f.HTML)
		}
	}
	for _, id := range changed {
		if id != "vm-1" && id != "rail-1" && id != "usage" {
			t.Errorf("%s is sent though it is as it was", id)
		}
	}
	b.api.more <- event(api.EventVM, api.ActionDeleted, "1", nil)
	if third := p.next(); len(third.Lists["vm-rows"])+len(third.Lists["rail-vms"]) != 0 {
		t.Errorf("a deleted VM is in %v", third.Lists)
	}
}

func TestUsageIsMeasuredWhileThePageIsOpen(t *testing.T) {
	b := open(t)
	p, _ := b.live("page=dashboard")
	p.has("vm-1", "100 %")
	if got := b.api.followers.Load(); got != 2 {
		t.Errorf("%d follow the daemon's events, want the page and the meter", got)
	}
	p.close()
	b.unfollowed()
	other, _ := b.live("page=operations")
	other.next()
	if got := b.api.followers.Load(); got != 1 {
		t.Errorf("%d follow the events of a page without usage", got)
	}
}

// unfollowed waits until nobody follows the daemon's events.
func (b *browser) unfollowed() {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); b.api.followers.Load() != 0; runtime.Gosched() {
		if time.Now().After(end) {
			b.t.Fatalf("%d still follow the events", b.api.followers.Load())
		}
	}
}

func TestLivePagesAreBounded(t *testing.T) {
	b := open(t)
	const most = 12
	for range most {
		p, status := b.live("page=dashboard")
		if status != http.StatusOK {
			t.Fatal(status)
		}
		p.next()
	}
	if _, status := b.live("page=dashboard"); status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", status)
	}
}

// Pages that were open and are gone leave nothing behind.
func TestStreamsThatAreCutLeaveNothing(t *testing.T) {
	b := open(t)
	b.page("/")
	before := runtime.NumGoroutine()
	for range 250 { // fewer than the gate lets through at once
		p, status := b.live("page=dashboard")
		for status != http.StatusOK { // the ones before are still ending
			p.close()
			p, status = b.live("page=dashboard")
		}
		p.next()
		p.close()
	}
	b.unfollowed()
	b.http.CloseIdleConnections()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+5; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestAVMsPageAndAnOperationsAreLive(t *testing.T) {
	b := open(t)
	p, _ := b.live("page=vm&of=web")
	p.has("sessions", "New session")
	p.close()
	b.unfollowed()
	p, _ = b.live("page=vm&of=web&section=resources")
	p.has("takes", "100 %")
	p.close()
	b.unfollowed()
	p, _ = b.live("page=operation&of=op1")
	p.next()
	ended := b.api.operation()
	ended.State, ended.EndedAt = api.OperationSucceeded, new(b.api.now)
	b.api.more <- event(api.EventOperation, api.ActionEnded, "op1", ended)
	u := p.next()
	for id, want := range map[string]string{"operation": "succeeded", "operation-state": "succeeded", "operation-next": "/create?image="} {
		if !u.says(id, want) {
			t.Errorf("%s does not say %s", id, want)
		}
	}
}

// says reports whether an update has a fragment that says what is wanted.
func (u update) says(id, want string) bool {
	for _, f := range u.Fragments {
		if f.ID == id && strings.Contains(f.HTML, want) {
			return true
		}
	}
	return false
}

// What ended after its page was made, and before the page was live, is told.
func TestAnOperationThatEndedMeanwhileIsTold(t *testing.T) {
	b := open(t)
	for page, id := range map[string]string{"operation&of=op3": "operation", "operations": "op-op3"} {
		p, _ := b.live("page=" + page)
		p.has(id, "failed")
		p.close()
		b.unfollowed()
	}
}

// The cards say what the host takes, and how much of it VMs do.
func TestUsageIsOfTheHost(t *testing.T) {
	b := open(t)
	wants(t, b.get("/", http.StatusOK), "of 4 CPUs", "of 8 GiB")
	p, _ := b.live("page=dashboard")
	p.has("usage", "VMs 25 %")
}

// A page of a VM that is deleted says so, and one that is renamed goes on.
func TestAVMsPageFollowsIt(t *testing.T) {
	b := open(t)
	p, _ := b.live("page=vm&of=web&section=ports")
	p.has("vm-state", "running")
	v := b.api.vm()
	v.Name, v.State = "other", api.VMPaused
	b.api.more <- event(api.EventVM, api.ActionChanged, "1", v)
	p.has("vm-acts", "/vms/other")
	b.api.more <- event(api.EventVM, api.ActionDeleted, "1", nil)
	p.has("vm-state", "deleted")
}

// What was denied before a page was opened stands on it, once, the latest first.
func TestTheDashboardTellsWhatWasDenied(t *testing.T) {
	b := open(t)
	if body := b.get("/", http.StatusOK); strings.Count(body, "<code class=\"any\">registry.example") != 1 ||
		strings.Index(body, "registry.example") > strings.Index(body, "name=%3Cscript") {
		t.Error("the dashboard does not say what was denied, the latest first")
	}
	p, _ := b.live("page=dashboard")
	p.has("denials", "registry.example")
	again, more := b.api.denied()[1], b.api.denied()[1]
	more.ID = "e-9"
	b.api.more <- again
	b.api.more <- more
	for {
		for _, f := range p.next().Fragments {
			if f.ID != "denials" {
				continue
			}
			if n := strings.Count(f.HTML, "<code class=\"any\">registry.example"); n != 1 || !strings.Contains(f.HTML, ">2 times<") {
				t.Errorf("one event more, and one that was known: %s", f.HTML)
			}
			return
		}
	}
}

// asks is the event of a session that has needed somebody for so long.
func (b *browser) asks(session string, since time.Duration) api.Event {
	return event(api.EventSession, api.ActionChanged, session, api.Session{
		Name: session, VM: "web", State: api.SessionRunning, CreatedAt: b.api.now,
		Attention: &api.Attention{State: api.AttentionNeedsInput, Why: api.WhyQuestion, Text: session + "?", Since: b.api.now.Add(-since)},
	})
}

// A page tells once of who needs somebody, and not what is answered at once.
func TestWhoNeedsSomebodyIsToldOnce(t *testing.T) {
	b := open(t)
	p, _ := b.live("page=operations")
	p.next()
	b.api.more <- b.asks("fresh", 4*time.Second)
	if u := p.next(); len(u.Toasts) != 0 || u.Needs != 1 {
		t.Errorf("%d need somebody, toasts %q", u.Needs, u.Toasts)
	}
	b.api.more <- b.asks("old", 5*time.Second)
	u := p.next()
	if len(u.Toasts) != 1 || !strings.Contains(u.Toasts[0], "old?") || !strings.Contains(u.Toasts[0], "data-close") {
		t.Errorf("toasts %q", u.Toasts)
	}
	v := b.api.vm()
	v.Name = "other" // which the side shows
	b.api.more <- event(api.EventVM, api.ActionChanged, "1", v)
	if u := p.next(); len(u.Toasts) != 0 {
		t.Errorf("again: %q", u.Toasts)
	}
}

// The page of a VM or of a session in it shows what it needs: there is no toast beside.
func TestWhatAPageShowsNeedsNoToast(t *testing.T) {
	b := open(t)
	for _, query := range []string{"page=vm&of=web", "page=terminal&of=web&section=old"} {
		p, _ := b.live(query)
		p.next()
		b.api.more <- b.asks("old", time.Minute)
		for {
			u := p.next()
			if len(u.Toasts) != 0 {
				t.Errorf("%s: %q", query, u.Toasts)
			}
			if u.Needs == 1 {
				break
			}
		}
		p.close()
		b.unfollowed()
	}
	p, _ := b.live("page=terminal&of=web&section=old")
	p.next()
	b.api.more <- b.asks("old", time.Minute)
	p.has("session-state", "needs input")
}
