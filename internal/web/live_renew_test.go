package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
)

// A section that the stream does not render is told when it is out of date, and only then.
func TestASectionIsToldThatItIsOutOfDate(t *testing.T) {
	egress := event(api.EventEgress, api.ActionDenied, "", api.EgressRecord{Event: "deny", Name: "x.example"})
	operation := event(api.EventOperation, api.ActionChanged, "op7", api.Operation{ID: "op7", State: api.OperationRunning})
	for query, test := range map[string]struct {
		does func(b *browser)
		not  []api.Event // what leaves it as it is
	}{
		"section=workspace":        {func(b *browser) { b.api.more <- event(api.EventWorkspace, api.ActionChanged, "", api.Workspace{}) }, []api.Event{egress, operation}},
		"section=workspace&op=op7": {func(b *browser) { b.api.more <- operation }, []api.Event{egress}},
		"section=ports":            {func(b *browser) { b.api.more <- event(api.EventPorts, api.ActionChanged, "", nil) }, []api.Event{egress, operation}},
		"section=egress":           {func(b *browser) { b.api.more <- egress }, []api.Event{operation}},
		"section=egress&again":     {func(b *browser) { b.api.printed <- "a record" }, nil},
		"section=console":          {func(b *browser) { b.api.printed <- "a line" }, []api.Event{egress, operation}},
		"section=console&vm":       {func(b *browser) { b.api.more <- event(api.EventVM, api.ActionChanged, "1", b.api.vm()) }, nil},
		"section=processes":        {func(b *browser) { b.api.printed <- "a sample" }, nil},
	} {
		t.Run(query, func(t *testing.T) {
			b := open(t)
			p, _ := b.live("page=vm&of=web&" + query)
			if first := p.next(); !first.Renew {
				t.Error("what came before the stream is lost")
			}
			for _, ev := range test.not {
				b.api.more <- ev
			}
			if len(test.not) > 0 {
				b.api.more <- event(api.EventImage, api.ActionCreated, "i9", nil)
				if u := p.next(); u.Renew {
					t.Errorf("%v put it out of date", test.not)
				}
			}
			test.does(b)
			p.isRenewed()
		})
	}
}

// isRenewed waits until the section is out of date.
func (p *page) isRenewed() {
	p.t.Helper()
	for {
		if p.next().Renew {
			return
		}
	}
}

// The overview is rendered for the stream, so that it is told nothing.
func TestTheOverviewIsNotToldThatItIsOutOfDate(t *testing.T) {
	b := open(t)
	p, _ := b.live("page=vm&of=web&section=")
	if first := p.next(); first.Renew {
		t.Error("it is to be read again")
	}
	for _, section := range []string{"workspace", "egress", "console", "ports", "processes"} {
		page := b.get("/vms/web/"+section, http.StatusOK)
		if !strings.Contains(page, "section="+section) || !strings.Contains(page, "data-renew") {
			t.Errorf("%s has no part that is read again", section)
		}
	}
}
