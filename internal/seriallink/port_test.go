package seriallink_test

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/seriallink"
)

// An agent that dies leaves the host with a session, perhaps waiting for the
// rest of a frame; the next agent ends it.
func TestNextAgentEndsTheLastOnesSession(t *testing.T) {
	for name, left := range map[string][]byte{
		"between frames":  nil,
		"in a header":     frame(0, 0, 0, 1, 4096)[:5],
		"in a whole body": append(frame(0, 0, 0, 1, 64<<10), 1),
	} {
		t.Run(name, func(t *testing.T) {
			hostEnd, guestEnd := pair(t)
			p := &port{conn: guestEnd}
			got := make(chan *seriallink.Link, 1)
			go func() {
				l, err := seriallink.Guest(within(t), p)
				if err != nil {
					t.Errorf("Guest: %v", err)
				}
				got <- l
			}()
			l, err := seriallink.Host(within(t), hostEnd)
			if err != nil {
				t.Fatal(err)
			}
			_ = (<-got).Close() // the agent is gone, and the line says nothing of it
			if err := guestEnd.SetDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			if _, err := guestEnd.Write(left); err != nil {
				t.Fatal(err)
			}
			if err := seriallink.Interrupt(p); err != nil {
				t.Fatal(err)
			}
			select {
			case <-l.Done():
			case <-within(t).Done():
				t.Error("the host believes in the session")
			}
			_ = l.Close()
		})
	}
}
