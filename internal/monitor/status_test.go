package monitor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/monitorrpc"
)

func TestTheBoardTellsWhatIsNewOfTheNetwork(t *testing.T) {
	b := newBoard(monitorrpc.Status{Phase: monitorrpc.PhaseBooting})
	_, changed := b.now()
	b.portsChanged()
	<-changed
	for _, r := range []monitorrpc.Record{
		{Event: "allow", Name: "a"},
		{Event: "close", Name: "a"},
		{Event: "total", Name: "a"},
		{Event: monitorrpc.EventLost},
		{Event: monitorrpc.EventAsk, Name: "counted", Sent: 10}, // how much was said since
		{Event: monitorrpc.EventAsk, Name: "asked"},
		{Event: "dns", Name: "denied.example"},
		{Event: "deny", Address: "10.0.0.1"},
	} {
		b.egress(r)
	}
	b.show(monitorrpc.Status{Phase: monitorrpc.PhaseReady}) // the supervisor knows nothing of it
	s, _ := b.now()
	var got []string
	for _, n := range s.EgressNews {
		got = append(got, fmt.Sprint(n.N, n.Record.Event, " ", n.Record.Name, n.Record.Address))
	}
	if all := strings.Join(got, "; "); all != "1ask asked; 2dns denied.example; 3deny 10.0.0.1" || s.PortsChanged != 1 || s.Phase != monitorrpc.PhaseReady {
		t.Errorf("%s, ports %d, %s", all, s.PortsChanged, s.Phase)
	}
}

// The status stays small enough for bangerd, whatever a guest does and is called.
func TestNewsOfTheNetworkAreBounded(t *testing.T) {
	b := newBoard(monitorrpc.Status{})
	long := strings.Repeat("<", 16<<10)
	for range 100 {
		b.egress(monitorrpc.Record{Event: "deny", Name: long, Process: long, Reason: long, Said: long, Asked: long, Rule: strings.Repeat("<", 500)})
	}
	s, _ := b.now()
	data, err := json.Marshal(s)
	if err != nil || len(data) > monitorrpc.MaxAnswer {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if n := len(s.EgressNews); n != monitorrpc.MaxEgressNews || s.EgressNews[n-1].N != 100 {
		t.Errorf("%d news, the last is %d", n, s.EgressNews[n-1].N)
	}
}
