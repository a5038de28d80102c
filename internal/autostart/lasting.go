package autostart

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// Lasting returns a client for a process that outlives daemons: its first call
// makes sure of a daemon, as Ensure does, and each later one does so again if none
// listens by then. The caller closes it.
func Lasting(opts Options) *client.Client { return redialing(opts, false) }

// Fast returns a client that talks first and asks afterwards: it makes sure of a
// daemon only when none listens, or when one of an older build refuses a request, which
// may be for a setting that it does not know. It saves a round trip where each counts.
// The caller closes it.
func Fast(opts Options) *client.Client {
	c := redialing(opts, true)
	c.Refused = func(ctx context.Context, err error) bool {
		if opts.Socket != "" || !errors.Is(err, fault.Conflict) || !buildinfo.Older(c.Daemon(), opts.Self) {
			return false
		}
		c.Close() // its idle connections lead to the old one
		started, err := Ensure(ctx, opts)
		if err != nil {
			return false
		}
		started.Close()
		return true
	}
	return c
}

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
