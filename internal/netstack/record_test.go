package netstack

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/monitorrpc"
)

// scribe is a recorder whose records are kept.
type scribe struct {
	*recorder
	cancel  context.CancelFunc
	mu      sync.Mutex
	records []monitorrpc.Record
}

func newScribe(owner func(context.Context, string, uint16) string) *scribe {
	s := &scribe{}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.recorder = newRecorder(ctx, Config{Now: time.Now, Owner: owner, Log: func(r monitorrpc.Record) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.records = append(s.records, r)
	}})
	return s
}

func (s *scribe) written() []monitorrpc.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]monitorrpc.Record(nil), s.records...)
}

func flowTo(addr string, port uint16) *flow {
	return &flow{
		protocol: protocolTCP, guestPort: 4000, logged: make(chan struct{}),
		asked: netip.AddrPortFrom(netip.MustParseAddr(addr), port), flow: egress.Flow{Protocol: egress.TCP},
	}
}

func TestRepeatedDenialsAreOneRecordASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(nil)
		denied := egress.Verdict{Rule: "default deny"}
		for range 1000 {
			s.denied(flowTo("203.0.113.1", 80), denied, "")
		}
		s.denied(flowTo("203.0.113.2", 80), denied, "")
		if got := s.written(); len(got) != 2 || got[0].Reason != "" {
			t.Fatalf("at once: %+v", got)
		}
		time.Sleep(2 * recordWindow) //nolint:forbidigo // the bubble's clock
		got := s.written()
		if len(got) != 3 || got[2].Address != "203.0.113.1" || got[2].Reason != "999 more times" {
			t.Errorf("after the window: %+v", got)
		}
		s.denied(flowTo("203.0.113.1", 80), denied, "")
		if got := s.written(); len(got) != 4 {
			t.Errorf("in the next window: %+v", got[3:])
		}
		s.cancel()
		s.wait()
	})
}

func TestDenialsToManyDestinationsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(nil)
		for port := range uint16(10000) {
			s.denied(flowTo("203.0.113.1", port+1), egress.Verdict{Rule: "default deny"}, "")
		}
		time.Sleep(2 * recordWindow) //nolint:forbidigo // the bubble's clock
		got := s.written()
		if last := got[len(got)-1]; len(got) != maxFresh+1 || last.Reason != "9000 more, not listed one by one" {
			t.Errorf("%d records, the last %+v", len(got), last)
		}
		s.cancel()
		s.wait()
	})
}

func TestAFlowsRecordsAreInOrderAndHaveItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asking, most int
		var mu sync.Mutex
		s := newScribe(func(ctx context.Context, proto string, port uint16) string {
			mu.Lock()
			asking++
			most = max(most, asking)
			mu.Unlock()
			<-ctx.Done() // as long as it may
			mu.Lock()
			asking--
			mu.Unlock()
			return fmt.Sprintf("%s-%d", proto, port)
		})
		flows := make([]*flow, 10)
		for i := range flows {
			flows[i] = flowTo("203.0.113.1", uint16(i+1))
			s.begun(flows[i])
		}
		began := time.Now()
		for _, f := range flows {
			s.ended(f, "")
		}
		if waited := time.Since(began); waited != askTime {
			t.Errorf("waited %s", waited)
		}
		state := map[uint16]string{}
		named := 0
		for _, r := range s.written() {
			state[r.Port] += r.Event + " "
			if r.Process == "tcp-4000" {
				named++
			}
		}
		for port, events := range state {
			if events != "allow close " {
				t.Errorf("port %d: %s", port, events)
			}
		}
		if most != maxAsking || named != 2*maxAsking {
			t.Errorf("%d asked at once, %d records have a process", most, named)
		}
		s.cancel()
		s.wait()
	})
}

// flows has a flow begin and end, with what went either way.
func (s *scribe) flowed(f *flow, sent, received int64) {
	s.begun(f)
	f.sent.Add(sent)
	f.received.Add(received)
	s.ended(f, "")
}

func TestTooManyFlowsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(nil)
		for range 1 + maxAgain + 50 {
			s.flowed(flowTo("203.0.113.1", 80), 1000, 0)
		}
		s.flowed(flowTo("203.0.113.2", 80), 0, 0)
		s.cancel()
		s.wait()
		got := s.written()
		if len(got) != 2*(1+maxAgain+1)+3 {
			t.Fatalf("%d records", len(got))
		}
		rest := got[len(got)-4:]
		if r := rest[0]; r.Event != "close" || r.Address != "203.0.113.2" {
			t.Errorf("a flow to another destination is hidden behind those: %+v", r)
		}
		if r := rest[1]; r.Event != monitorrpc.EventTotal || r.Address != "203.0.113.1" || r.Sent != 50_000 || r.Reason != "of 50 flows without records" {
			t.Errorf("where it went: %+v", r)
		}
		if r := rest[2]; r.Event != "allow" || r.Reason != "50 more, not listed one by one" {
			t.Errorf("begun without a record: %+v", r)
		}
		if r := rest[3]; r.Event != "close" || r.Reason != "50 more, not listed one by one" || r.Sent != 50_000 || r.Received != 0 {
			t.Errorf("ended without a record: %+v", r)
		}
	})
}

func ofProtocol(p protocol, f *flow) *flow {
	f.protocol, f.flow.Protocol = p, p.word()
	return f
}

// Each domain that is asked for is told once, and what names below it say is
// counted: anything can be said in them.
func TestDomainsThatAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(nil)
		allowed := egress.Verdict{Allow: true, Rule: "default allow"}
		for i := range 500 {
			s.nameAsked("www.example.co.uk", allowed)
			s.nameAsked(fmt.Sprintf("c2vjcmv0-%03d.x.attacker.example", i), allowed)
		}
		time.Sleep(2 * restWindow) //nolint:forbidigo // the bubble's clock
		got := s.written()
		if len(got) != 3 {
			t.Fatalf("%+v", got)
		}
		for i, want := range []monitorrpc.Record{
			{Event: monitorrpc.EventAsk, Protocol: "dns", Name: "example.co.uk", Rule: "default allow"},
			{Event: monitorrpc.EventAsk, Protocol: "dns", Name: "attacker.example", Rule: "default allow"},
			{Event: monitorrpc.EventAsk, Protocol: "dns", Name: "attacker.example", Sent: 500 * 15, Reason: "500 names below it, of 7500 bytes"},
		} {
			got[i].At = time.Time{}
			if got[i] != want {
				t.Errorf("%+v, want %+v", got[i], want)
			}
		}
		s.cancel()
		s.wait()
	})
}
