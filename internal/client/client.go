// Package client is the typed client of bangerd's API: one method for each
// endpoint, over the daemon's Unix socket. Faults of the daemon come back as
// faults: errors.Is(err, fault.NotFound) works here as it does there.
//
// Every method ends when its context does. None of them starts a daemon: see
// package autostart.
package client

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/statedir"
)

// Client talks to one daemon. It is safe for concurrent use.
type Client struct {
	// Dial connects to the daemon. It may be replaced before the first use.
	Dial func(ctx context.Context) (net.Conn, error)
	// StateDir, when set, is the only state directory whose daemon is meant: one
	// that serves another answers Conflict. It may be set before the first use.
	StateDir string

	// Settings, if set, makes the value of api.SettingsHeader for each request: the
	// configuration that is to hold for it. It may be set before the first use.
	Settings func() (string, error)

	// Refused, if set, is asked about each request that failed, and reports whether to
	// send it once more. It may be set before the first use.
	Refused func(ctx context.Context, err error) bool

	where string
	http  *http.Client

	mu     sync.Mutex
	daemon buildinfo.Info
}

// New returns a client of the daemon at the unix socket with this path. It
// connects with the first call.
func New(socket string) *Client {
	c := &Client{where: socket}
	c.Dial = func(ctx context.Context) (net.Conn, error) { return statedir.DialUnix(ctx, socket) }
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableCompression: true,
		// A list of a thousand VMs has some 400 kB.
		ReadBufferSize: bufferSize,
		MaxIdleConns:   4,
	}
	c.http = &http.Client{Transport: transport}
	return c
}

// Close ends the idle connections. Streams that were handed out live on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Daemon returns the build that the daemon named in its latest answer. It is
// zero before the first answer.
func (c *Client) Daemon() buildinfo.Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.daemon
}
