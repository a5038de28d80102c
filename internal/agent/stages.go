package agent

import (
	"sync"

	"github.com/bangervm/banger/internal/agentrpc"
)

// stages tells the host which step of Configure is under way. Quick steps that
// follow one another are told as one, the last: under software emulation a
// message costs as much as such a step. A step that takes its time is told.
type stages struct {
	latest chan string // at most one, which was not told yet
	told   sync.WaitGroup
	now    string
}

// newStages tells stages by send, from a goroutine that end ends.
func newStages(send func(agentrpc.GuestMessage)) *stages {
	s := &stages{latest: make(chan string, 1), now: "configure"}
	s.told.Go(func() {
		for name := range s.latest {
			send(agentrpc.GuestMessage{Stage: &agentrpc.Stage{Name: name}})
		}
	})
	return s
}

// begin says that a step begins. It waits for nothing.
func (s *stages) begin(name string) {
	s.now = name
	select {
	case <-s.latest: // nobody needs to know
	default:
	}
	s.latest <- name
}

// end returns the last step, once nothing more will be told.
func (s *stages) end() string {
	select {
	case <-s.latest:
	default:
	}
	close(s.latest)
	s.told.Wait()
	return s.now
}
