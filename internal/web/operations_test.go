package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// 120 operations that ended, of which each third failed.
func (f *fakeAPI) manyEnded(t *testing.T) {
	t.Helper()
	for i := range 120 {
		op := api.Operation{ID: fmt.Sprintf("e%d", i), Kind: "vm.start", Subject: fmt.Sprintf("vm-%d", i), State: api.OperationSucceeded, CreatedAt: f.now.Add(-time.Duration(i) * time.Minute), EndedAt: &f.now}
		if i%3 == 0 {
			op.State, op.Problem = api.OperationFailed, &api.Problem{Code: "busy", Message: "the host is full", Hint: "stop a VM"}
		}
		f.ended = append(f.ended, op)
	}
}

func TestOperationsHavePagesAndAFilter(t *testing.T) {
	b := open(t)
	b.api.manyEnded(t)
	for path, want := range map[string]struct {
		rows          int
		running       bool
		has, has2     string
		links, hasNot string
	}{
		"/operations":              {50, true, "1–50 of 121", "Start vm-1", `rel="next" href="/operations?from-page=2"`, `rel="prev"`},
		"/operations?from-page=3":  {21, true, "101–121 of 121", "Start vm-119", `rel="prev" href="/operations?from-page=2"`, `rel="next"`},
		"/operations?from-page=99": {0, true, "", "", `rel="prev"`, `rel="next"`},
		"/operations?show=failed":  {41, false, "busy", "stop a VM", `aria-current="true">Failed`, "Start vm-1<"},
		"/operations?show=running": {0, true, "1 running", "Pull image", `aria-current="true">Running`, "Start vm-"},
		"/operations?show=x":       {50, true, "1–50 of 121", "", `aria-current="true">All`, ""},
	} {
		page := b.get(path, http.StatusOK)
		if n := strings.Count(page, `<tr id="op-`); n != want.rows {
			t.Errorf("%s has %d rows", path, n)
		}
		if strings.Contains(page, `id="running-operations"`) != want.running {
			t.Errorf("%s shows those that run: %v", path, !want.running)
		}
		for _, text := range []string{want.has, want.has2, want.links} {
			if !strings.Contains(page, text) {
				t.Errorf("%s has no %s", path, text)
			}
		}
		if want.hasNot != "" && strings.Contains(page, want.hasNot) {
			t.Errorf("%s has %s", path, want.hasNot)
		}
	}
}

// What ends while the page is open comes to it if it is of those that the page shows.
func TestAnOperationThatEndsComesToItsPage(t *testing.T) {
	b := open(t)
	for query, comes := range map[string]bool{"page=operations": true, "page=operations&show=failed": false, "page=operations&from-page=2": false} {
		p, first := b.live(query)
		_ = first
		op := api.Operation{ID: "fresh", Kind: "vm.stop", Subject: "web", State: api.OperationSucceeded, CreatedAt: b.api.now, EndedAt: new(b.api.now)}
		b.api.more <- event(api.EventOperation, api.ActionChanged, op.ID, op)
		op.ID, op.State, op.EndedAt = "mark", api.OperationRunning, nil
		b.api.more <- event(api.EventOperation, api.ActionChanged, op.ID, op)
		got := false
		for marked := false; !marked; {
			for _, f := range p.next().Fragments {
				got = got || f.ID == "op-fresh"
				marked = marked || f.ID == "running-operations" && strings.Contains(f.HTML, "/operations/mark")
			}
		}
		if got != comes {
			t.Errorf("%s: it comes: %v", query, got)
		}
		p.close()
		b.unfollowed()
	}
}

// The command that does an operation again is there where the operation tells enough.
func TestTheCommandOfAnOperation(t *testing.T) {
	b := open(t)
	image, err := json.Marshal(api.Image{Name: "base", Ref: "debian:12"})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []api.Operation{
		{Kind: "vm.delete", Subject: "a b"},
		{Kind: "image.verify", Subject: "base"},
		{Kind: "image.pull", Subject: "base", Result: image},
		{Kind: "image.pull", Subject: "other"},
		{Kind: "vm.create", Subject: "web"},
		{Kind: "workspace.export", Subject: "web"},
	} {
		op.ID, op.State, op.CreatedAt, op.EndedAt = op.Kind+op.Subject, api.OperationFailed, b.api.now, &b.api.now
		b.api.ended = append(b.api.ended, op)
	}
	page := b.get("/operations", http.StatusOK)
	wants(t, page, "banger vm rm 'a b'", "banger image verify base", "banger image pull --name base debian:12", "banger vm workspace export web")
	for _, unknown := range []string{"banger image pull other", "banger vm create"} {
		if strings.Contains(page, unknown) {
			t.Errorf("it says %q, though the options are not known", unknown)
		}
	}
}
