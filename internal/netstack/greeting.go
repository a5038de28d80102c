package netstack

import (
	"io"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/netstack/sniff"
)

// greeter notes what a server says first.
type greeter struct {
	io.Reader
	f    *flow
	told bool
}

func (g *greeter) Read(p []byte) (int, error) {
	read, err := g.Reader.Read(p)
	if read > 0 && !g.told {
		g.told = true
		if sniff.Greets(p[:read]) {
			close(g.f.greeted)
		}
	}
	return read, err
}

// wasGreeted says whether the server spoke, which it did first if it was before the
// guest's first byte; TLS and HTTP do not begin so in any case.
func (f *flow) wasGreeted() bool {
	select {
	case <-f.greeted:
		return true
	default:
		return false
	}
}

// couldGreet says whether it would be allowed if its server spoke first.
func (f *flow) couldGreet(said egress.Said) bool {
	if said.Speech != egress.Words && said.Speech != egress.Unknown {
		return false
	}
	said.Speech = egress.Greeted
	return f.would(said).Allow
}

// awaitGreeting waits a while for the server to speak first.
func (f *flow) awaitGreeting() bool {
	timer := time.NewTimer(f.n.lookTime)
	defer timer.Stop()
	select {
	case <-f.greeted:
		return true
	case <-f.ctx.Done():
	case <-timer.C:
	}
	return false
}
