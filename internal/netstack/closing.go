package netstack

import (
	"context"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	// maxClosing bounds the endpoints that wait for the guest to acknowledge their
	// end, and closingTime how long each may.
	maxClosing   = 2048
	closingTime  = 30 * time.Second
	closingCheck = time.Second
)

// closing are connections that the host's side is done with, and that the guest
// has not acknowledged as ended. A guest that never does costs a bounded number.
type closing struct {
	mu        sync.Mutex
	endpoints map[tcpip.Endpoint]time.Time
	added     chan struct{} // holds one
}

func newClosing() *closing {
	return &closing{endpoints: map[tcpip.Endpoint]time.Time{}, added: make(chan struct{}, 1)}
}

// close ends the endpoint in good order, or at once if too many are ending.
func (c *closing) close(ep tcpip.Endpoint) {
	c.mu.Lock()
	full := len(c.endpoints) >= maxClosing
	if !full {
		c.endpoints[ep] = time.Now().Add(closingTime)
	}
	c.mu.Unlock()
	if full {
		ep.Abort()
	}
	ep.Close()
	select {
	case c.added <- struct{}{}:
	default:
	}
}

// count is how many have not ended yet.
func (c *closing) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.endpoints)
}

// watch aborts what takes too long until ctx ends.
func (c *closing) watch(ctx context.Context) {
	tick := time.NewTicker(closingCheck)
	defer tick.Stop()
	for {
		tick.Stop()
		select {
		case <-c.added:
		case <-ctx.Done():
			return
		}
		tick.Reset(closingCheck)
		for c.check(time.Now()) > 0 {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// check forgets what has ended, aborts what is late, and counts the rest.
func (c *closing) check(now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ep, until := range c.endpoints {
		state := tcp.EndpointState(ep.State())
		if state != tcp.StateClose && state != tcp.StateError && now.Before(until) {
			continue
		}
		if state != tcp.StateClose && state != tcp.StateError {
			ep.Abort()
		}
		delete(c.endpoints, ep)
	}
	return len(c.endpoints)
}
