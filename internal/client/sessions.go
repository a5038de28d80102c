package client

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
)

// StartSession starts a command in a VM that runs on by itself.
func (c *Client) StartSession(ctx context.Context, vm string, req api.StartSession) (api.Session, error) {
	return call[api.Session](ctx, c, http.MethodPost, path("vms", vm, "sessions"), req)
}

// ListSessions returns a VM's sessions, oldest first.
func (c *Client) ListSessions(ctx context.Context, vm string) ([]api.Session, error) {
	return list[api.Session](ctx, c, path("vms", vm, "sessions"))
}

// GetSession returns the session called name (a name, or a unique prefix of an
// id, as everywhere).
func (c *Client) GetSession(ctx context.Context, vm, name string) (api.Session, error) {
	return call[api.Session](ctx, c, http.MethodGet, path("vms", vm, "sessions", name), nil)
}

// RemoveSession forgets a session that has ended, with its output.
func (c *Client) RemoveSession(ctx context.Context, vm, name string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, path("vms", vm, "sessions", name), nil)
	return err
}

// WaitSession returns the session once it has ended. It asks again when the
// daemon ends meanwhile, for as long as one answers within patience.
func (c *Client) WaitSession(ctx context.Context, vm, name string) (api.Session, error) {
	var broken time.Time
	for {
		sess, err := call[api.Session](ctx, c, http.MethodGet, path("vms", vm, "sessions", name, "wait"), nil)
		if err == nil || ctx.Err() != nil || !errors.Is(err, fault.Unavailable) {
			return sess, err
		}
		if now := time.Now(); broken.IsZero() {
			broken = now
		} else if now.Sub(broken) > patience {
			return sess, err
		}
		if err := pace.Pause(ctx, againAfter); err != nil {
			return sess, err
		}
	}
}

// patience is how long a daemon that has ended may take to come back for those
// who wait or are attached, againAfter the pause between two tries.
const (
	patience   = 30 * time.Second
	againAfter = 200 * time.Millisecond
)

// SessionRead says which output ReadSession returns.
type SessionRead struct {
	Stderr bool  // instead of stdout
	Offset int64 // -1: the oldest that is kept
	Max    int   // bytes; 0: as many as go in one answer (256 KiB)
	// Wait is how long to wait, at most 15 s, for output where there is none yet.
	Wait time.Duration
}

// ReadSession returns what a session wrote from an offset on.
func (c *Client) ReadSession(ctx context.Context, vm, name string, opts SessionRead) (api.SessionOutput, error) {
	query := url.Values{"offset": {strconv.FormatInt(opts.Offset, 10)}}
	if opts.Stderr {
		query.Set("stream", "stderr")
	}
	if opts.Max > 0 {
		query.Set("max", strconv.Itoa(opts.Max))
	}
	if opts.Wait > 0 {
		query.Set("wait_seconds", strconv.FormatFloat(opts.Wait.Seconds(), 'f', -1, 64))
	}
	return call[api.SessionOutput](ctx, c, http.MethodGet, path("vms", vm, "sessions", name, "output")+"?"+query.Encode(), nil)
}

// MaxSend is the most bytes that one SendSession takes.
const MaxSend = agentrpc.MaxSend

// SendSession writes p, at most MaxSend bytes, to a session's stdin: it arrives
// whole, among what others write. With eof the input ends then.
func (c *Client) SendSession(ctx context.Context, vm, name string, p []byte, eof bool) error {
	target := path("vms", vm, "sessions", name, "stdin")
	if eof {
		target += "?eof=true"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+target, bytes.NewReader(p))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// StopSession ends a session, and returns when it has ended.
func (c *Client) StopSession(ctx context.Context, vm, name string, req api.StopSession) (api.Session, error) {
	return call[api.Session](ctx, c, http.MethodPost, path("vms", vm, "sessions", name, "stop"), req)
}

// KillSession sends a signal to a session's process group.
func (c *Client) KillSession(ctx context.Context, vm, name string, req api.KillSession) (api.Session, error) {
	return call[api.Session](ctx, c, http.MethodPost, path("vms", vm, "sessions", name, "kill"), req)
}
