package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// maxProblem bounds the body of an error answer, in bytes.
const maxProblem = 256 << 10

// ErrNoDaemon is in the chain of an error that says nothing listens on the
// socket: there is no daemon, as against one that does not answer.
var ErrNoDaemon = errors.New("no daemon is listening")

// Problem rebuilds the fault that p describes. It returns nil for nil.
func Problem(p *api.Problem) error {
	if p == nil {
		return nil
	}
	return p.Fault()
}

// dial connects, and says in banger's words why it could not.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	conn, err := c.Dial(ctx)
	var said *fault.Error
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("dial %s: %w", c.where, ctx.Err())
	case errors.As(err, &said):
		return nil, said
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fault.Wrap(fault.Unavailable, ErrNoDaemon, "bangerd is not running (%s)", c.where).
			Try(act.DaemonStart.Do())
	case errors.Is(err, os.ErrPermission):
		return nil, fault.Wrap(fault.PermissionDenied, err, "the daemon's socket %s is another user's", c.where)
	default:
		return nil, fault.Wrap(fault.Unavailable, err, "bangerd does not answer on %s", c.where).
			Try(act.DaemonStatus.Do())
	}
}

// transportError turns what went wrong below HTTP into a fault.
func (c *Client) transportError(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return unwrapURL(err)
	}
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fault.Wrap(fault.Unavailable, ctx.Err(), "bangerd did not answer in time").
				WithHint("%s; if it hangs, kill it: the next command starts another, and VMs keep running", act.DaemonLogs.Do())
		}
		return fault.Wrap(fault.Canceled, ctx.Err(), "stopped waiting for bangerd's answer")
	}
	return fault.Wrap(fault.Unavailable, err, "lost the connection to bangerd").
		Try(act.DaemonStatus.Do())
}

// unwrapURL drops net/http's wrapping (method and made-up address) of a fault.
func unwrapURL(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return err
}

// answerError rebuilds the fault of an answer whose status says error.
func answerError(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read bangerd's answer (%s)", resp.Status)
	}
	var p api.Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" {
		return fault.New(fault.Internal, "bangerd answered %s without a reason", resp.Status)
	}
	return Problem(&p)
}
