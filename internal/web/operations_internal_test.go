package web

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// That somebody canceled an operation is no error.
func TestACanceledOperationHasNoProblem(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	op := api.Operation{
		Kind: "image.pull", Subject: "x", State: api.OperationCanceled, CreatedAt: now, EndedAt: &now,
		Problem: &api.Problem{Code: "canceled", Message: "canceled"},
		Stages:  []api.Stage{{Name: "fetch", State: api.StageFailed, StartedAt: now, EndedAt: &now}},
	}
	if v := viewOperation(op, now); v.Problem != nil || v.Stages[0].State != "canceled" {
		t.Errorf("it shows %+v, and a stage %s", v.Problem, v.Stages[0].State)
	}
	op.State = api.OperationFailed
	if v := viewOperation(op, now); v.Problem == nil || v.Stages[0].State != api.StageFailed {
		t.Errorf("one that failed shows %+v, and a stage %s", v.Problem, v.Stages[0].State)
	}
}
