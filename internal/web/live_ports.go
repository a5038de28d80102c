package web

import (
	"context"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/api"
)

const (
	// portAskers is how many VMs a page asks for their ports at a time, and portTime how
	// long an answer may take.
	portAskers = 4
	portTime   = 5 * time.Second
)

// portAsker asks for the ports of VMs, which takes a moment for each: it finds out
// which of them are web servers.
type portAsker struct {
	wanted chan api.VM
	found  chan vmPorts
}

type vmPorts struct {
	vm    string // ID
	ports []api.Port
}

// askPorts works until ctx ends.
func askPorts(ctx context.Context, work *sync.WaitGroup, a API) *portAsker {
	p := &portAsker{wanted: make(chan api.VM, maxWaiting), found: make(chan vmPorts)}
	for range portAskers {
		work.Go(func() { p.answer(ctx, a) })
	}
	return p
}

// ask queues a question; while very many wait it is dropped, and the page goes without.
func (p *portAsker) ask(v api.VM) {
	select {
	case p.wanted <- v:
	default:
	}
}

func (p *portAsker) answer(ctx context.Context, a API) {
	for {
		select {
		case v := <-p.wanted:
			asked, cancel := context.WithTimeout(ctx, portTime)
			ports, err := a.VMPorts(asked, v.Name)
			late := asked.Err() != nil
			cancel()
			if err != nil {
				if late {
					p.ask(v) // the host or the guest is busy: no event tells when they are not
				}
				continue // it has just ended, or will tell with its next event
			}
			select {
			case p.found <- vmPorts{v.ID, ports}:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
