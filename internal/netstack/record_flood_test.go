package netstack

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/egress"
)

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
			if strings.Contains(r.Reason, "not listed one by one") {
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
