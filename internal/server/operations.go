package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/operation"
)

type operationID struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *Server) operationRoutes(a huma.API) {
	at := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: "/operations" + path, tag: "operations", summary: summary}
	}
	handle(s, a, at("list-operations", http.MethodGet, "", "List operations, newest first"),
		func(ctx context.Context, _ *none) (api.List[api.Operation], error) {
			ops, err := s.Operations.List(ctx)
			return listOf(ops, operationBody), err
		})
	handle(s, a, at("get-operation", http.MethodGet, "/{id}", "Show an operation"),
		func(ctx context.Context, in *operationID) (api.Operation, error) {
			op, err := s.Operations.Get(ctx, in.ID)
			return operationBody(op), err
		})
	handle(s, a, at("cancel-operation", http.MethodPost, "/{id}/cancel", "Cancel an operation"),
		func(ctx context.Context, in *operationID) (api.Operation, error) {
			op, err := s.Operations.Cancel(ctx, in.ID)
			return operationBody(op), err
		})
	events := at("watch-operation", http.MethodGet, "/{id}/events", "Follow an operation to its end")
	events.describe = func(op *huma.Operation) {
		op.Description = "Server-sent events of type \"operation\", each the present snapshot as an Operation: " +
			"one at once, one for each change, and the last one when the operation has ended; then the stream ends."
		op.Responses = map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
		}}
	}
	handleStream(s, a, events, s.watchOperation)
	input := at("send-input", http.MethodPut, "/{id}/input", "Send the bytes that an operation waits for")
	input.describe = func(op *huma.Operation) {
		op.Description = "For an image pull of tar:-. The answer comes when all bytes are read."
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}},
		}}
		op.Responses = map[string]*huma.Response{"204": {Description: "No Content"}}
	}
	handleStream(s, a, input, s.sendInput)
}

// beat is how often a silent event stream says that it lives; eventDeadline
// bounds one write to a client that does not read.
const (
	beat          = 15 * time.Second
	eventDeadline = 30 * time.Second
)

func (s *Server) watchOperation(ctx context.Context, in *operationID) (func(http.ResponseWriter, *http.Request), error) {
	ctx, cancel := s.untilEnd(ctx)
	updates, err := s.Operations.Watch(ctx, in.ID)
	if err != nil {
		cancel()
		return nil, err
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		streamOperations(w, updates)
		cancel()
		for range updates { // let the sender see that nobody listens
		}
	}, nil
}

// streamOperations writes updates until they end or the client is gone.
func streamOperations(w http.ResponseWriter, updates <-chan operation.Operation) {
	out := http.NewResponseController(w)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		var frame []byte
		select {
		case op, ok := <-updates:
			if !ok {
				return
			}
			frame = eventFrame(operationBody(op))
		case <-ticker.C:
			frame = []byte(": alive\n\n")
		}
		_ = out.SetWriteDeadline(time.Now().Add(eventDeadline))
		if _, err := w.Write(frame); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
	}
}

func eventFrame(op api.Operation) []byte {
	data, err := json.Marshal(op)
	if err != nil { // only a Result that is no JSON can do that
		op.Result = nil
		data, _ = json.Marshal(op)
	}
	var b bytes.Buffer
	b.WriteString("event: " + api.OperationEvent + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

func (s *Server) sendInput(ctx context.Context, in *operationID) (func(http.ResponseWriter, *http.Request), error) {
	if _, err := s.Operations.Get(ctx, in.ID); err != nil {
		return nil, err
	}
	input, err := s.inputs.claim(in.ID)
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if err := input.fill(r.Body); err != nil {
			problemOf(s.log, err).write(w)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}, nil
}
