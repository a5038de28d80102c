package client

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// slow is a daemon whose one operation ends when it is cancelled, unless it
// ends by itself at once, or undoes for ever.
type slow struct {
	ends     bool // by itself
	late     bool // ends well though it is cancelled
	endless  bool
	canceled []string
}

func (s *slow) begin(ctx context.Context) (api.Operation, error) {
	op := api.Operation{ID: "1", Kind: "vm.create", State: "running"}
	if s.endless {
		return op, nil
	}
	return op, ctx.Err()
}

func (s *slow) Wait(ctx context.Context, id string, update func(api.Operation)) (api.Operation, error) {
	op := api.Operation{ID: id, Kind: "vm.create", State: "running"}
	if !s.ends && (s.canceled == nil || s.endless) {
		<-ctx.Done()
		return op, fault.Wrap(fault.Canceled, ctx.Err(), "gave up")
	}
	now := time.Unix(1, 0)
	op.EndedAt, op.State = &now, "canceled"
	if s.ends || s.late {
		op.State, op.Result = "succeeded", json.RawMessage(`{"name":"box"}`)
	}
	update(op)
	if op.State == "canceled" {
		return op, fault.New(fault.Canceled, "canceled")
	}
	return op, nil
}

func (s *slow) CancelOperation(_ context.Context, id string) (api.Operation, error) {
	s.canceled = append(s.canceled, id)
	return api.Operation{ID: id}, nil
}

func (s *slow) follow(ctx context.Context, grace time.Duration) (states []string, op api.Operation, err error) {
	op, err = follow(ctx, s, s.begin, func(op api.Operation) { states = append(states, op.State) }, grace)
	return states, op, err
}

func TestFollowToTheEnd(t *testing.T) {
	s := &slow{ends: true}
	states, op, err := s.follow(t.Context(), time.Hour)
	if diff := cmp.Diff([]string{"running", "succeeded"}, states); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	if v, err := Result[api.VM](op); err != nil || v.Name != "box" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := Result[[]string](op); !errors.Is(err, fault.Internal) {
		t.Errorf("a VM is a list: %v", err)
	}
	if _, err := Result[api.VM](api.Operation{}); !errors.Is(err, fault.Internal) {
		t.Errorf("nothing is a VM: %v", err)
	}
}

func TestFollowCancels(t *testing.T) {
	for name, c := range map[string]struct {
		s    *slow
		want []string
	}{
		"undone":       {&slow{}, []string{"running", "canceled"}},
		"done already": {&slow{late: true}, []string{"running", "succeeded"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // before it begins: it is begun all the same, or it would not be known
		states, _, err := c.s.follow(ctx, time.Hour)
		if diff := cmp.Diff(c.want, states); diff != "" || !errors.Is(err, fault.Canceled) || len(c.s.canceled) != 1 {
			t.Errorf("%s: %v, cancelled %v, %s", name, err, c.s.canceled, diff)
		}
	}
}

func TestFollowWaitsForNoEndlessUndo(t *testing.T) {
	s := &slow{endless: true}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.follow(ctx, time.Millisecond); !errors.Is(err, fault.Canceled) || len(s.canceled) > 1 {
		t.Errorf("%v, cancelled %v", err, s.canceled)
	}
}
