package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// fakeEvents are those that the daemon keeps.
func fakeEvents() []api.Event {
	at := fakeTime.UTC()
	body := func(v any) json.RawMessage {
		data, _ := json.Marshal(v)
		return data
	}
	op := api.Operation{Kind: "vm.start", Subject: "web", State: api.OperationRunning, Stages: []api.Stage{{Name: "check"}, {Name: "boot"}}}
	failed := api.Operation{Kind: "vm.start", Subject: "web", State: api.OperationFailed, Problem: &api.Problem{Code: "conflict", Message: "no space"}}
	return []api.Event{
		{Time: at, Kind: api.EventDaemon, Action: api.ActionStarted, Body: body(api.Build{Version: "v1.2.3"})},
		{Time: at, Kind: api.EventVM, Action: api.ActionChanged, Name: "web", VM: "web", Body: body(fakeVM("00000000000000aa", "web", "running"))},
		{Time: at, Kind: api.EventOperation, Action: api.ActionChanged, Name: "web", Object: "0b", Body: body(op)},
		{Time: at, Kind: api.EventOperation, Action: api.ActionEnded, Name: "web", Object: "0b", Body: body(failed)},
		{Time: at, Kind: api.EventSession, Action: api.ActionCreated, Name: "agent", VM: "web", Body: body(api.Session{Name: "agent", State: api.SessionStarting})},
		{Time: at, Kind: api.EventWorkspace, Action: api.ActionChanged, Name: "web", VM: "web", Body: body(api.Workspace{State: api.WorkspaceChanged, Files: 2})},
		{Time: at, Kind: api.EventEgress, Action: api.ActionDenied, Name: "evil.example", VM: "web", Body: body(api.EgressDecision{Missed: 2, EgressRecord: api.EgressRecord{
			Event: "deny", Protocol: "tcp", Name: "evil.example", Address: "192.0.2.1", Port: 443, Rule: "default deny", Process: "curl",
		}})},
		{Time: at, Kind: api.EventPorts, Action: api.ActionChanged, Name: "web", VM: "web"},
		{Time: at, Kind: api.EventImage, Action: api.ActionDeleted, Object: "0123456789abcdef"},
	}
}

// idleID is of the VM idle.
const idleID = "00000000000000bb"

// fakeAttention has words that a terminal must not get.
func fakeAttention() *api.Attention {
	return &api.Attention{State: api.AttentionNeedsInput, Why: api.WhyApproval, Text: "may \x1b[2JI?", Since: fakeTime}
}

// watchEvents sends those above whose kind is wanted. A stream that follows breaks
// off once, and then goes on with a reset.
func (d *fakeDaemon) watchEvents(w http.ResponseWriter, r *http.Request) {
	send := func(id string, ev api.Event) {
		ev.ID = id
		data, _ := json.Marshal(ev)
		if id != "" {
			_, _ = io.WriteString(w, "id: "+id+"\n")
		}
		_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", ev.Kind, data)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	query := r.URL.Query()
	if query.Get("since") != "0" {
		send("", api.Event{Time: fakeTime, Kind: api.EventReset, Reason: "another daemon"})
		send("", api.Event{Time: fakeTime, Kind: api.EventVM, Action: api.ActionPresent, Name: "web"})
		if strings.Contains(query.Get("kinds"), "session") {
			for name, a := range map[string]*api.Attention{"build": {State: api.AttentionWorking}, "agent": fakeAttention(), "old": nil} {
				body, _ := json.Marshal(api.Session{Name: name, VM: "web", State: api.SessionRunning, Attention: a})
				send("", api.Event{Time: fakeTime, Kind: api.EventSession, Action: api.ActionPresent, Name: name, VM: "web", VMID: "00000000000000aa", Body: body})
			}
		}
		send("e2-1", api.Event{Time: fakeTime, Kind: api.EventLive})
		send("e2-2", api.Event{Time: fakeTime, Kind: api.EventVM, Action: api.ActionDeleted, Name: "idle", VM: "idle", VMID: idleID})
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	for i, ev := range fakeEvents() {
		if kinds := query.Get("kinds"); kinds == "" || kinds == ev.Kind {
			send(fmt.Sprintf("e1-%d", i+1), ev)
		}
	}
	send("e1-10", api.Event{Time: fakeTime, Kind: api.EventLive})
}
