package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
)

// ListOperations returns the operations that the daemon remembers, newest first.
func (c *Client) ListOperations(ctx context.Context) ([]api.Operation, error) {
	return list[api.Operation](ctx, c, path("operations"))
}

// GetOperation returns one operation.
func (c *Client) GetOperation(ctx context.Context, id string) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodGet, path("operations", id), nil)
}

// CancelOperation asks an operation to end, and returns at once; Wait tells
// when it has undone what it did. Cancelling one that has ended is no error.
func (c *Client) CancelOperation(ctx context.Context, id string) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("operations", id, "cancel"), nil)
}

// SendInput streams r to an operation that waits for input, and returns when
// the daemon has taken it all. When ctx ends it returns at once; a Read of r
// that is blocked then stays so until it gets something.
func (c *Client) SendInput(ctx context.Context, id string, r io.Reader) error {
	body, pump := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{pump}, r, make([]byte, inputBlock))
		pump.CloseWithError(err)
	}()
	stop := context.AfterFunc(ctx, func() { body.CloseWithError(ctx.Err()) })
	defer stop()
	defer func() { _ = body.Close() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, base+path("operations", id, "input"), body)
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

// inputBlock is how much SendInput reads at a time, in bytes.
const inputBlock = 256 << 10

// Watch yields snapshots of an operation: the present one first, then one for
// each change (coalesced), then the last one. When the stream breaks while the
// daemon lives on, it attaches again. It ends with the final snapshot, or with
// an error: the context's, NotFound, or Unavailable when the daemon is gone.
func (c *Client) Watch(ctx context.Context, id string) iter.Seq2[api.Operation, error] {
	return func(yield func(api.Operation, error) bool) {
		failures := 0
		for {
			progressed, done, err := c.watchOnce(ctx, id, yield)
			if done {
				return
			}
			if progressed {
				failures = 0
			}
			failures++
			if fatal := c.fatalWatchError(ctx, err, failures); fatal != nil {
				yield(api.Operation{}, fatal)
				return
			}
			_ = pace.Pause(ctx, time.Duration(failures)*50*time.Millisecond) // the next round sees its end
		}
	}
}

// maxWatchFailures is how often in a row Watch attaches again in vain.
const maxWatchFailures = 6

func (c *Client) fatalWatchError(ctx context.Context, err error, failures int) error {
	switch {
	case ctx.Err() != nil:
		return c.transportError(ctx, ctx.Err())
	case errors.Is(err, ErrNoDaemon):
		return fault.Wrap(fault.Unavailable, ErrNoDaemon, "bangerd ended while the operation ran").
			Try(act.DaemonLogs.Do())
	case err != nil && !errors.Is(err, fault.Unavailable):
		return err
	case failures > maxWatchFailures:
		return fault.Wrap(fault.Unavailable, err, "cannot follow the operation")
	default:
		return nil
	}
}

// watchOnce follows one stream. done says that the watch is over: the last
// snapshot was seen, or the caller wants no more.
func (c *Client) watchOnce(ctx context.Context, id string, yield func(api.Operation, error) bool) (progressed, done bool, err error) {
	req, err := request(ctx, http.MethodGet, path("operations", id, "events"), nil)
	if err != nil {
		return false, false, err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.send(req)
	if err != nil {
		return false, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	events := newEventReader(resp.Body)
	for {
		op, err := events.nextOperation()
		if err != nil {
			if _, ok := errors.AsType[*fault.Error](err); !ok {
				err = c.transportError(ctx, err)
			}
			return progressed, false, err
		}
		progressed = true
		if !yield(op, nil) || op.State != api.OperationRunning {
			return true, true, nil
		}
	}
}

// Wait follows an operation to its end, calling onUpdate (which may be nil)
// for each snapshot. It returns the last snapshot, and the fault of an
// operation that failed or was cancelled. When ctx ends first it returns the
// latest snapshot and a Canceled or Unavailable fault; the operation goes on.
func (c *Client) Wait(ctx context.Context, id string, onUpdate func(api.Operation)) (api.Operation, error) {
	var last api.Operation
	for op, err := range c.Watch(ctx, id) {
		if err != nil {
			return last, err
		}
		last = op
		if onUpdate != nil {
			onUpdate(op)
		}
	}
	return last, Problem(last.Problem)
}
