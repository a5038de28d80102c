package server_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/operation"
)

type system struct{ *world }

func (system) DiskUsage(context.Context) (api.DiskUsage, error) {
	return api.DiskUsage{Items: []api.DiskUse{{Type: "images", Entries: []api.DiskEntry{}}}, SizeBytes: 7}, nil
}

func (s system) Prunable(_ context.Context, req api.Prune) (api.Pruned, error) {
	s.note(fmt.Sprint("prunable ", req))
	return api.Pruned{Images: []api.DiskEntry{}, ReclaimedBytes: 1}, nil
}

func (s system) Prune(_ context.Context, req api.Prune, _ operation.Progress) (api.Pruned, error) {
	s.note(fmt.Sprint("prune ", req))
	return api.Pruned{Images: []api.DiskEntry{}, ReclaimedBytes: 2}, nil
}

func TestSystem(t *testing.T) {
	f := start(t)
	if usage, err := f.client.DiskUsage(t.Context()); err != nil || usage.SizeBytes != 7 {
		t.Errorf("%+v, %v", usage, err)
	}
	req := api.Prune{All: true, ImagesOnly: true}
	if could, err := f.client.Prunable(t.Context(), req); err != nil || could.ReclaimedBytes != 1 {
		t.Errorf("%+v, %v", could, err)
	}
	op, err := f.client.Prune(t.Context(), req)
	if err == nil {
		op, err = f.client.Wait(t.Context(), op.ID, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if did, err := client.Result[api.Pruned](op); err != nil || did.ReclaimedBytes != 2 {
		t.Errorf("%+v, %v", did, err)
	}
	if got := fmt.Sprint(f.calls()); got != "[prunable {true true} prune {true true}]" {
		t.Error(got)
	}
}
