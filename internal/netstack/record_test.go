package netstack

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
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
		if last := got[len(got)-1]; len(got) != maxFresh+1 || last.Reason != "9000 more, not told one by one" {
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
		if r := rest[1]; r.Event != monitorrpc.EventTotal || r.Address != "203.0.113.1" || r.Sent != 50_000 || r.Reason != "of 50 flows that have no records of their own" {
			t.Errorf("where it went: %+v", r)
		}
		if r := rest[2]; r.Event != "allow" || r.Reason != "50 more, not told one by one" {
			t.Errorf("begun without a record: %+v", r)
		}
		if r := rest[3]; r.Event != "close" || r.Reason != "50 more, not told one by one" || r.Sent != 50_000 || r.Received != 0 {
			t.Errorf("ended without a record: %+v", r)
		}
	})
}

func ofProtocol(p protocol, f *flow) *flow {
	f.protocol, f.flow.Protocol = p, p.word()
	return f
}

// Whatever a guest floods the log with, where its data goes is told.
func TestAFloodDoesNotHideWhereDataWent(t *testing.T) {
	for name, flood := range map[string]func(s *scribe, i int){
		"datagrams without answer": func(s *scribe, i int) {
			s.flowed(ofProtocol(protocolUDP, flowTo(fmt.Sprintf("198.51.%d.%d", i/256, i%256), 9)), 10, 0)
		},
		"datagrams with answer": func(s *scribe, i int) {
			s.flowed(ofProtocol(protocolUDP, flowTo(fmt.Sprintf("198.51.%d.%d", i/256, i%256), 9)), 10, 10)
		},
		"echoes": func(s *scribe, i int) {
			s.flowed(ofProtocol(protocolICMP, flowTo(fmt.Sprintf("198.51.%d.%d", i/256, i%256), 0)), 10, 10)
		},
		"connections without data": func(s *scribe, i int) {
			s.flowed(flowTo(fmt.Sprintf("198.51.%d.%d", i/256, i%256), 9), 0, 0)
		},
		"connections with data": func(s *scribe, i int) {
			s.flowed(flowTo(fmt.Sprintf("198.51.%d.%d", i/256, i%256), 9), 10, 10)
		},
		"connections with data, to many ports": func(s *scribe, i int) {
			s.flowed(flowTo("198.51.100.1", uint16(1+i)), 10, 10)
		},
		"denials": func(s *scribe, i int) {
			s.denied(flowTo("198.51.100.1", uint16(1+i)), egress.Verdict{Rule: "default deny"}, "")
		},
		"names": func(s *scribe, i int) {
			s.nameAsked(fmt.Sprintf("www.%d.example", i), egress.Verdict{Rule: "default allow"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScribe(nil)
				for i := range 4 * maxFresh {
					flood(s, i)
				}
				s.flowed(flowTo("203.0.113.9", 443), 1<<20, 100)
				open := flowTo("203.0.113.10", 443) // and one that has not ended
				s.begun(open)
				open.sent.Add(1 << 20)
				time.Sleep(restWindow + 2*recordWindow) //nolint:forbidigo // the bubble's clock
				told := map[string]bool{}
				for _, r := range s.written() {
					told[r.Address] = told[r.Address] || r.Event == "allow" || r.Sent >= 1<<20
				}
				if !told["203.0.113.9"] || !told["203.0.113.10"] {
					t.Errorf("%d records, and none of where a MiB went", len(s.written()))
				}
				s.ended(open, "")
				s.cancel()
				s.wait()
			})
		})
	}
}

// What is summed up of flows without records is bounded, and the largest stay.
func TestDestinationsWithoutRecordsAreBounded(t *testing.T) {
	u := newUntold()
	for i := range 10 * maxMovers {
		f := flowTo(fmt.Sprintf("198.51.%d.%d", i/256, i%256), 9)
		u.begin(f)
		f.sent.Add(int64(1 + i%100))
		if i == 7 {
			f.sent.Add(1 << 20)
		}
		u.end(f, false)
	}
	if len(u.movers) > maxMovers || len(u.open) != 0 {
		t.Errorf("%d destinations, %d flows", len(u.movers), len(u.open))
	}
	out := u.tell()
	if len(out) != maxTop+2 || out[0].Address != "198.51.0.7" {
		t.Errorf("%d records, the first %+v", len(out), out[0])
	}
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

// What is remembered of names is bounded.
func TestDomainsAreBounded(t *testing.T) {
	d := newDomains()
	for i := range 3 * maxSeen {
		d.ask(fmt.Sprintf("a.%d.example", i))
	}
	if len(d.known) > maxDomains || len(d.seen) > maxSeen {
		t.Errorf("%d domains, %d names", len(d.known), len(d.seen))
	}
}

// An hour of a guest that does its worst must leave most of the log as it was.
func TestAFloodNeedsHoursToFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(nil)
		const seconds = 3600
		for second := range uint16(seconds) {
			for n := range uint16(20) {
				s.denied(flowTo(fmt.Sprintf("203.0.%d.%d", n, second%256), 1+second), egress.Verdict{Rule: "default deny"}, "")
				s.denied(flowTo("203.0.113.1", 1+n%3), egress.Verdict{Rule: "default deny"}, "")
				f := flowTo("203.0.114.1", 80)
				s.begun(f)
				s.ended(f, "")
			}
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		}
		s.cancel()
		s.wait()
		each := seconds / int(allowEvery/time.Second)
		limit := 3*(maxFresh+maxAgain+2*each) + 2*(seconds/60+2) // of a flow there are two
		if got := len(s.written()); got > limit || got < maxFresh+maxAgain+each {
			t.Errorf("%d records in an hour, want at most %d", got, limit)
		}
	})
}

func TestWhatIsNotToldIsCountedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(nil)
		for port := range uint16(maxFresh) {
			s.denied(flowTo("203.0.113.1", port+1), egress.Verdict{}, "")
		}
		for second := range uint16(3 * 60) {
			for n := range uint16(10) {
				s.denied(flowTo("203.0.113.2", 10*second+n), egress.Verdict{}, "")
			}
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		}
		s.cancel()
		s.wait()
		counts := 0
		for _, r := range s.written() {
			if strings.Contains(r.Reason, "not told one by one") {
				counts++
			}
		}
		if counts < 3 || counts > 5 {
			t.Errorf("%d records of what has none in three minutes", counts)
		}
	})
}

// What is denied never left, and costs a guest nothing: it must not hide what did.
func TestDenialsHideNoFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScribe(nil)
		for port := range uint16(2 * maxFresh) {
			s.denied(flowTo("203.0.113.1", port+1), egress.Verdict{Rule: "default deny"}, "")
			s.nameDenied(fmt.Sprintf("%d.example.org", port), egress.Verdict{Rule: "default deny"})
		}
		f := flowTo("203.0.113.2", 443)
		s.begun(f)
		s.ended(f, "")
		s.cancel()
		s.wait()
		var events []string
		for _, r := range s.written() {
			if r.Address == "203.0.113.2" {
				events = append(events, r.Event)
			}
		}
		if strings.Join(events, " ") != "allow close" {
			t.Errorf("a flow behind many denials has the records %q", events)
		}
	})
}
