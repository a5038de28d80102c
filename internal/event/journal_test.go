package event_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/event"
	"github.com/bangervm/banger/internal/fault"
)

func read(t *testing.T, j *event.Journal, since string, kinds ...event.Kind) *event.Reader {
	t.Helper()
	if len(kinds) == 0 {
		kinds = event.Kinds()
	}
	r, err := j.Read(since, kinds)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// names takes all that there is, and returns the names of the events.
func names(t *testing.T, r *event.Reader) string {
	t.Helper()
	var all []string
	for {
		b := r.Take()
		if b.Reset != "" {
			all = append(all, "reset: "+b.Reset)
		}
		for _, e := range b.Events {
			all = append(all, e.Name)
		}
		if b.More != nil {
			return strings.Join(all, " ")
		}
	}
}

func publish(j *event.Journal, names ...string) {
	for _, name := range names {
		j.Publish(event.Event{Kind: event.VM, Name: name})
	}
}

func TestReadersGoOnWhereTheyWere(t *testing.T) {
	j := event.New("e1", nil)
	publish(j, "a", "b")
	fresh := read(t, j, "")
	if got := names(t, fresh); got != "reset: start" {
		t.Errorf("a fresh reader got %q", got)
	}
	publish(j, "c")
	for since, want := range map[string]string{
		"0": "a b c", "e1-1": "b c", "1": "b c", "e1-3": "", "e1-4": "reset: another daemon", "e2-1": "reset: another daemon",
	} {
		if got := names(t, read(t, j, since)); got != want {
			t.Errorf("since %s: %q, want %q", since, got, want)
		}
	}
	if got := names(t, fresh); got != "c" {
		t.Errorf("after its reset the fresh reader got %q", got)
	}
	if got := fresh.Position(); got != "e1-3" {
		t.Errorf("its position is %s", got)
	}
	for _, since := range []string{"x", "e1-", "-1", "e1-x", "e1--1"} {
		if _, err := j.Read(since, nil); !errors.Is(err, fault.Invalid) {
			t.Errorf("since %q: %v", since, err)
		}
	}
}

func TestKindsAreChosen(t *testing.T) {
	j := event.New("e1", nil)
	r := read(t, j, "0", event.Image)
	publish(j, "v")
	j.Publish(event.Event{Kind: event.Image, Name: "i"})
	publish(j, "w")
	if got := names(t, r); got != "i" {
		t.Errorf("got %q", got)
	}
	// What was passed over does not count as unread.
	if got := r.Position(); got != "e1-3" {
		t.Errorf("position %s", got)
	}
	if _, err := event.ParseKinds([]string{"vm", "nope"}); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "nope") {
		t.Errorf("an unknown kind: %v", err)
	}
	if kinds, err := event.ParseKinds(nil); err != nil || strings.Contains(fmt.Sprint(kinds), "sample") || strings.Contains(fmt.Sprint(kinds), "host") {
		t.Errorf("by default %v, %v", kinds, err)
	}
}

func TestAReaderThatFellBehindIsToldOnce(t *testing.T) {
	j := event.New("e1", nil)
	publish(j, "first")
	r := read(t, j, "0")
	for range 5000 {
		publish(j, "x")
	}
	if b := r.Take(); b.Reset != event.ResetBehind || len(b.Events) > 0 {
		t.Fatalf("got %+v", b)
	}
	publish(j, "after")
	if got := names(t, r); got != "after" {
		t.Errorf("after the reset: %q", got)
	}
	// Whoever asks for the oldest has lost nothing that it had.
	oldest := read(t, j, "0")
	if b := oldest.Take(); b.Reset != "" || len(b.Events) != 256 || b.More != nil {
		t.Errorf("from the oldest: %d events, reset %q", len(b.Events), b.Reset)
	}
}

func TestBytesAreBounded(t *testing.T) {
	j := event.New("e1", nil)
	r := read(t, j, "0")
	for range 400 { // 400 × 60 KB: three times what is kept
		j.Publish(event.Event{Kind: event.VM, Object: make([]byte, 60_000)})
	}
	if b := r.Take(); b.Reset != event.ResetBehind {
		t.Errorf("24 MB are kept")
	}
	kept := 0
	for r := read(t, j, "0"); ; {
		b := r.Take()
		bytes := 0
		for _, e := range b.Events {
			bytes += len(e.Object)
		}
		if bytes > 2<<20 {
			t.Errorf("one batch has %d bytes", bytes)
		}
		if kept += bytes; b.More != nil {
			break
		}
	}
	if kept > 8<<20 || kept < 7<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
	j.Publish(event.Event{Kind: event.Image, Name: "large", Object: make([]byte, 65<<10)})
	if b := read(t, j, "0", event.Image).Take(); len(b.Events) != 1 || b.Events[0].Object != nil {
		t.Errorf("a large object: %d events", len(b.Events))
	}
}

func TestOneSubjectDoesNotPushOutTheOthers(t *testing.T) {
	j := event.New("e1", nil)
	publish(j, "a")
	for i := range 20_000 {
		j.Publish(event.Event{Kind: event.Operation, Name: fmt.Sprint("p", i), Key: "operation 1", Keep: 1})
		j.Publish(event.Event{Kind: event.Session, Name: fmt.Sprint("s", i), Key: "session 1", Keep: 3})
	}
	if got := names(t, read(t, j, "0")); got != "a s19997 s19998 p19999 s19999" {
		t.Errorf("got %q", got)
	}
	// Those that made room are not missed: what took their place says more.
	if got := names(t, read(t, j, "e1-1")); strings.HasPrefix(got, "reset") {
		t.Errorf("got %q", got)
	}
}

func TestPublishingWakesReadersAndWaitsForNone(t *testing.T) {
	j := event.New("e1", nil)
	r := read(t, j, "0")
	more := r.Take().More
	publish(j, "a") // returns though nobody takes it
	<-more
	if got := names(t, r); got != "a" {
		t.Errorf("got %q", got)
	}
}

func TestReadersAreBounded(t *testing.T) {
	j := event.New("e1", nil)
	var open []*event.Reader
	for {
		r, err := j.Read("", nil)
		if errors.Is(err, fault.Busy) {
			break
		}
		if err != nil || len(open) > 1000 {
			t.Fatalf("%d readers: %v", len(open), err)
		}
		open = append(open, r)
	}
	if len(open) != 256 {
		t.Errorf("%d readers", len(open))
	}
	open[0].Close()
	r, err := j.Read("", nil)
	if err != nil {
		t.Fatalf("after one left: %v", err)
	}
	r.Close()
	for _, r := range open[1:] {
		r.Close()
	}
}

// TestAFactThatMadeRoomIsMissed: newer ones of its key do not say it, so whoever has not had it
// is told, once.
func TestAFactThatMadeRoomIsMissed(t *testing.T) {
	j := event.New("e1", nil)
	publish(j, "a")
	for i := range 5 {
		j.Publish(event.Event{Kind: event.Egress, Name: fmt.Sprint("d", i), Key: "egress 1", Keep: 3, Fact: true})
	}
	away := read(t, j, "e1-1")
	if b := away.Take(); b.Reset != event.ResetBehind {
		t.Errorf("away: %+v", b)
	}
	if b := away.Take(); b.Reset != "" || b.More == nil {
		t.Errorf("told again: %+v", b)
	}
	for since, want := range map[string]string{"e1-3": "d2 d3 d4", "0": "a d2 d3 d4"} {
		if got := names(t, read(t, j, since)); got != want {
			t.Errorf("since %s: %q, want %q", since, got, want)
		}
	}
	if b := read(t, j, "e1-1", event.VM).Take(); b.Reset != "" {
		t.Errorf("who does not want them: %+v", b)
	}
}
