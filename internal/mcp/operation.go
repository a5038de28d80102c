package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// undoTime bounds how long a cancelled operation may take to undo what it did.
const undoTime = time.Minute

// follow begins an operation, tells the client of its progress, and waits for
// its end. When ctx is cancelled the operation is, and what it did undone.
func follow(ctx context.Context, ops Operations, req *sdk.CallToolRequest, begin func(context.Context) (api.Operation, error)) (api.Operation, error) {
	// What was begun must be known, or it could not be cancelled.
	detached, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	op, err := begin(detached)
	if err != nil {
		return op, err
	}
	progress := newProgress(ctx, req)
	progress.update(op)
	last, err := ops.Wait(ctx, op.ID, progress.update)
	if err == nil || ctx.Err() == nil || last.EndedAt != nil {
		return last, err
	}
	undo, cancel := context.WithTimeout(detached, undoTime)
	defer cancel()
	if _, err := ops.CancelOperation(undo, op.ID); err != nil {
		return op, fmt.Errorf("cancel the operation %s: %w", op.ID, err)
	}
	last, err = ops.Wait(undo, op.ID, nil)
	if err == nil {
		return last, fault.New(fault.Canceled, "canceled, but %s was done already", op.Kind)
	}
	return last, err
}

// result decodes what an operation made.
func result[T any](op api.Operation) (T, error) {
	var out T
	if len(op.Result) == 0 {
		return out, fault.New(fault.Internal, "the operation %s (%s) has no result", op.ID, op.Kind)
	}
	if err := json.Unmarshal(op.Result, &out); err != nil {
		return out, fault.Wrap(fault.Internal, err, "the result of %s is not of this API", op.Kind)
	}
	return out, nil
}

// progressEvery is the least time between two notices of one stage.
const progressEvery = 250 * time.Millisecond

// progress tells a client that gave a token how far an operation is: a stage
// counts one. It goes up only, as the protocol wants it.
type progress struct {
	notify  func(p sdk.ProgressNotificationParams)
	done    float64
	message string
	told    time.Time
}

func newProgress(ctx context.Context, req *sdk.CallToolRequest) *progress {
	token := req.Params.GetProgressToken()
	if token == nil || req.Session == nil {
		return &progress{}
	}
	return &progress{done: -1, notify: func(p sdk.ProgressNotificationParams) {
		p.ProgressToken = token
		_ = req.Session.NotifyProgress(ctx, &p) // the call goes on without
	}}
}

func (p *progress) update(op api.Operation) {
	if p.notify == nil || len(op.Stages) == 0 {
		return
	}
	done, message := 0.0, ""
	for _, s := range op.Stages {
		message = s.Name
		if s.Detail != "" {
			message += ": " + s.Detail
		}
		if s.State != "running" {
			done++
		} else if s.Total > 0 {
			done += min(float64(s.Done)/float64(s.Total), 0.99)
		}
	}
	if done <= p.done || (message == p.message && time.Since(p.told) < progressEvery) {
		return
	}
	p.done, p.message, p.told = done, message, time.Now()
	p.notify(sdk.ProgressNotificationParams{Progress: done, Message: message})
}
