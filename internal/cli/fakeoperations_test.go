package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/bangervm/banger/internal/api"
)

func runningOperation(kind, subject string) api.Operation {
	return api.Operation{
		Kind: kind, Subject: subject, State: "running", CreatedAt: fakeTime,
		Stages: []api.Stage{{Name: "work", State: "running", StartedAt: fakeTime}},
	}
}

func (d *fakeDaemon) add(op api.Operation) *fakeOperation {
	d.mu.Lock()
	defer d.mu.Unlock()
	op.ID = "op" + strconv.Itoa(len(d.ops)+1)
	o := &fakeOperation{op: op, changed: make(chan struct{}), input: make(chan int64, 1)}
	d.ops[op.ID] = o
	return o
}

// begin is an operation that ends well, after two stages.
func (d *fakeDaemon) begin(kind, subject string, result any) api.Operation {
	o := d.add(runningOperation(kind, subject))
	first := o.snapshot()
	o.finish("succeeded", nil, result)
	return first
}

// nothing is an operation that finds nothing to do.
func (d *fakeDaemon) nothing(kind, subject string, result any) api.Operation {
	op := runningOperation(kind, subject)
	op.State, op.Stages, op.EndedAt = "succeeded", nil, &fakeTime
	op.Result, _ = json.Marshal(result)
	return d.add(op).snapshot()
}

// hold is an operation that runs until it is cancelled.
func (d *fakeDaemon) hold(kind, subject string) api.Operation {
	return d.add(runningOperation(kind, subject)).snapshot()
}

func (d *fakeDaemon) fail(kind string, p api.Problem) api.Operation {
	o := d.add(runningOperation(kind, ""))
	first := o.snapshot()
	o.finish("failed", &p, nil)
	return first
}

func (o *fakeOperation) snapshot() api.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.op
}

func (o *fakeOperation) finish(state string, p *api.Problem, result any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.op.State != "running" {
		return
	}
	end := fakeTime.Add(1500 * time.Millisecond)
	stage := api.Stage{Name: "work", State: "done", StartedAt: fakeTime, EndedAt: &end, Done: 3 << 20, Total: 3 << 20, Unit: "bytes"}
	if state != "succeeded" {
		stage.State = "failed"
	}
	o.op.State, o.op.Problem, o.op.EndedAt, o.op.Stages = state, p, &end, []api.Stage{stage}
	if result != nil {
		o.op.Result, _ = json.Marshal(result)
	}
	close(o.changed)
}

func (d *fakeDaemon) operationRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/operations/{id}/events", d.withOperation(func(w http.ResponseWriter, r *http.Request, o *fakeOperation) {
		w.Header().Set("Content-Type", "text/event-stream")
		send := func() {
			data, _ := json.Marshal(o.snapshot())
			_, _ = fmt.Fprintf(w, "event: operation\ndata: %s\n\n", data)
			_ = http.NewResponseController(w).Flush()
		}
		if o.snapshot().State == "running" {
			send()
			select {
			case <-o.changed:
			case <-r.Context().Done():
				return
			}
		}
		send()
	}))
	mux.HandleFunc("POST /v1/operations/{id}/cancel", d.withOperation(func(w http.ResponseWriter, _ *http.Request, o *fakeOperation) {
		o.finish("canceled", &api.Problem{Code: "canceled", Message: o.snapshot().Kind + " was canceled"}, nil)
		answer(w, o.snapshot())
	}))
	mux.HandleFunc("PUT /v1/operations/{id}/input", d.withOperation(func(_ http.ResponseWriter, r *http.Request, o *fakeOperation) {
		n, _ := io.Copy(io.Discard, r.Body)
		o.input <- n
	}))
}

func (d *fakeDaemon) withOperation(serve func(http.ResponseWriter, *http.Request, *fakeOperation)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		o := d.ops[r.PathValue("id")]
		d.mu.Unlock()
		if o == nil {
			problem(w, http.StatusNotFound, api.Problem{Code: "not_found", Message: "no operation " + r.PathValue("id")})
			return
		}
		serve(w, r, o)
	}
}
