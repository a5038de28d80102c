package autostart

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/bangervm/banger/internal/client"
)

// Lasting returns a client for a process that outlives daemons: its first call
// makes sure of a daemon, as Ensure does, and each later one does so again if none
// listens by then. The caller closes it.
func Lasting(opts Options) *client.Client { return redialing(opts, false) }

// Fast returns a client that talks first and asks afterwards: it makes sure of a
// daemon only when none listens, and does not look at the build of one that does.
// It saves a round trip where each counts. The caller closes it.
func Fast(opts Options) *client.Client { return redialing(opts, true) }

func redialing(opts Options, trusting bool) *client.Client {
	c := opts.Client()
	dial := c.Dial
	var ensured atomic.Bool
	ensured.Store(trusting)
	c.Dial = func(ctx context.Context) (net.Conn, error) {
		if ensured.Load() {
			conn, err := dial(ctx)
			if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
				return conn, err
			}
		}
		started, err := Ensure(ctx, opts)
		if err != nil {
			return nil, err
		}
		started.Close()
		ensured.Store(true)
		return dial(ctx)
	}
	return c
}
