package operation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

func TestStepsUndoBackwardsFromTheOneThatFailed(t *testing.T) {
	var trace []string
	boom := fault.New(fault.Busy, "boom")
	ctx, cancel := context.WithCancel(t.Context())
	step := func(name string, err error) operation.Step {
		return operation.Step{
			Name: name,
			Do: func(context.Context) error {
				trace = append(trace, "do "+name)
				if err != nil {
					cancel() // undoing must not suffer from it
				}
				return err
			},
			Undo: func(ctx context.Context) error {
				trace = append(trace, "undo "+name)
				if _, bounded := ctx.Deadline(); !bounded {
					t.Errorf("undo of %s is not bounded", name)
				}
				return ctx.Err()
			},
		}
	}
	withoutUndo := step("b", nil)
	withoutUndo.Undo = nil
	err := operation.RunSteps(ctx, operation.Discard{}, []operation.Step{step("a", nil), withoutUndo, step("c", boom), step("d", nil)})
	if !errors.Is(err, fault.Busy) {
		t.Errorf("RunSteps = %v", err)
	}
	want := []string{"do a", "do b", "do c", "undo c", "undo a"}
	if diff := cmp.Diff(want, trace); diff != "" {
		t.Errorf("trace (-want +got):\n%s", diff)
	}
}

func TestStepsTellOfWhatCouldNotBeUndone(t *testing.T) {
	boom, mess := errors.New("boom"), errors.New("mess")
	err := operation.RunSteps(t.Context(), operation.Discard{}, []operation.Step{{
		Name: "a",
		Do:   func(context.Context) error { return boom },
		Undo: func(context.Context) error { return mess },
	}})
	if !errors.Is(err, boom) || !errors.Is(err, mess) {
		t.Errorf("RunSteps = %v", err)
	}
}

func TestStepsDoNothingOnceCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := operation.RunSteps(ctx, operation.Discard{}, []operation.Step{{
		Name: "a",
		Do:   func(context.Context) error { t.Error("the step was done"); return nil },
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("RunSteps = %v", err)
	}
}
