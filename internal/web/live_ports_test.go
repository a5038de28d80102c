package web

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/bangervm/banger/internal/api"
)

// busyAPI answers about ports only the second time.
type busyAPI struct {
	API
	asked int
}

func (b *busyAPI) VMPorts(ctx context.Context, _ string) ([]api.Port, error) {
	if b.asked++; b.asked == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []api.Port{{}}, nil
}

// A guest that is too busy to answer is asked again: no event tells when it no longer is.
func TestPortsAreAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		p := askPorts(ctx, &work, &busyAPI{})
		p.ask(api.VM{ID: "1"})
		if got := <-p.found; len(got.ports) != 1 {
			t.Errorf("found %v", got)
		}
		cancel()
		work.Wait()
	})
}
