package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/session"
)

// A guest may send session events as fast as it can. Each commit is made
// durable, and holds up those of other VMs: they are few, whatever it says, and
// the last word is stored.
func TestAFloodOfSessionEventsIsFewCommits(t *testing.T) {
	const flood = 2 * time.Minute
	for name, event := range map[string]func(i int, id string) session.Event{
		"counters": func(i int, id string) session.Event {
			return session.Event{Reports: []session.Report{{ID: id, StdoutBytes: int64(i + 1)}}}
		},
		"the same again": func(_ int, id string) session.Event {
			return session.Event{Reports: []session.Report{{ID: id, StdoutBytes: 7}}}
		},
		"snapshots": func(i int, id string) session.Event {
			return session.Event{Snapshot: true, Reports: []session.Report{{ID: id, StdinBytes: int64(i)}}}
		},
		"who is attached": func(i int, id string) session.Event {
			return session.Event{Reports: []session.Report{{ID: id, Readers: i}}}
		},
		"ends": func(_ int, id string) session.Event {
			return session.Event{Reports: []session.Report{{ID: id, Exited: true}}}
		},
		"unknown sessions": func(i int, _ string) session.Event {
			var ev session.Event
			for k := range 1_100 {
				ev.Reports = append(ev.Reports, session.Report{ID: string(rune(i*1_100 + k)), Exited: true})
			}
			return ev
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				s := h.start("")
				synctest.Wait()
				h.agent.mu.Lock()
				tell := h.agent.followed[0]
				h.agent.mu.Unlock()
				before := h.store.written()
				events := 0
				for began := time.Now(); time.Since(began) < flood; events++ {
					if err := tell(event(events, s.ID)); err != nil {
						t.Fatal(err)
					}
				}
				<-time.After(10 * time.Second)
				writes := h.store.written() - before
				t.Logf("%d events, %d commits", events, writes)
				if limit := int(flood/(3*time.Second)) + 2; writes > limit {
					t.Errorf("%d commits, over %d", writes, limit)
				}
				if most := int(flood/(50*time.Millisecond)) + 65; events > most {
					t.Errorf("%d events were read, over %d", events, most)
				}
				if got, err := h.store.List(t.Context(), s.VMID); name == "counters" && (err != nil || got[0].StdoutBytes != int64(events)) {
					t.Errorf("%d bytes are stored, the last word was %d: %v", got[0].StdoutBytes, events, err)
				}
			})
		})
	}
}
