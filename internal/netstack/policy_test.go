package netstack

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// A rule with a time ends without bangerd: for new flows at once, and for those that it
// allowed once the network looks.
func TestARuleEndsByItself(t *testing.T) {
	end := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	var now atomic.Pointer[time.Time]
	now.Store(new(end.Add(-time.Second)))
	m := boot(t, "default deny\nallow 203.0.113.7 until 2027-01-31T12:00:00Z\nallow 2001:db8::/32", func(c *Config) {
		c.Now = func() time.Time { return *now.Load() }
	})
	m.atOutside(t, echoAll)
	cut, kept := m.mustDial(t, outside4), m.mustDial(t, outside6)
	passesBack(t, cut, "x")
	passesBack(t, kept, "x")

	now.Store(&end)
	if _, err := m.dialTCP(t.Context(), outside4); err == nil {
		t.Error("a flow began after the end of its rule")
	}
	m.net.retimed <- struct{}{} // stands for its timer, which counts real time
	if _, err := cut.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the cut connection read %v", err)
	}
	passesBack(t, kept, "y")
	m.world.record(t, func(r monitorrpc.Record) bool {
		return r.Event == "close" && r.Reason == "the rule that allowed it ended" && r.Address == "203.0.113.7"
	})
	if text := m.net.currentPolicy().String(); text != "default deny\nallow 2001:db8::/32" {
		t.Errorf("what is left is %q", text)
	}
}

func TestTheNextEndIsWaitedFor(t *testing.T) {
	now := time.Now()
	m := boot(t, "default deny\nallow 203.0.113.7 until "+now.Add(-time.Hour).UTC().Format(time.RFC3339))
	if end := m.net.policyEnd; !end.IsZero() {
		t.Errorf("a rule of the past has the end %s", end)
	}
	n := &Network{policyEnd: now, config: Config{Now: func() time.Time { return now }}}
	if !n.nextEnd(t.Context()) {
		t.Error("an end that has come was not met")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	n.policyEnd = now.Add(time.Hour)
	if n.nextEnd(ended) {
		t.Error("it goes on after its context")
	}
}
