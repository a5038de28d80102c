package mcp

import (
	"context"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
)

// follow begins an operation, tells the client of its progress, and waits for
// its end. When ctx is cancelled the operation is, and what it did undone.
func (s *Server) follow(ctx context.Context, req *sdk.CallToolRequest, begin func(context.Context) (api.Operation, error)) (api.Operation, error) {
	return s.daemon.Operations.Follow(ctx, begin, newProgress(ctx, req).update)
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
		if s.State != api.StageRunning {
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
