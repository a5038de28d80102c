package web_test

import (
	"context"
	"fmt"

	"github.com/bangervm/banger/internal/api"
)

func (f *fakeAPI) GetImage(_ context.Context, name string) (api.Image, error) {
	return api.Image{ID: "of its own", Name: name, Ref: hostile, DiskUsage: 1 << 20}, nil
}

func (f *fakeAPI) RegisterImage(_ context.Context, req api.RegisterImage) (api.Operation, error) {
	return f.operation(), f.did("register " + req.Name + " " + req.Rootfs)
}

func (f *fakeAPI) PromoteImage(_ context.Context, name string) (api.Operation, error) {
	return f.operation(), f.did("promote " + name)
}

func (f *fakeAPI) VerifyImage(_ context.Context, name string) (api.Operation, error) {
	return f.operation(), f.did("verify " + name)
}

func (f *fakeAPI) RepairImage(_ context.Context, name string) (api.Operation, error) {
	return f.operation(), f.did("repair " + name)
}

func (f *fakeAPI) TagImage(_ context.Context, name string, req api.TagImage) (api.Image, error) {
	return api.Image{}, f.did("tag " + name + " " + req.Name)
}

func (f *fakeAPI) ImportKernel(_ context.Context, req api.ImportKernel) (api.Operation, error) {
	return f.operation(), f.did("import kernel " + req.Name + " " + req.From)
}

func (f *fakeAPI) DeleteKernel(_ context.Context, name string) (api.DeletedKernel, error) {
	return api.DeletedKernel{KeptBy: []string{"VM web"}}, f.did("delete kernel " + name)
}

func (f *fakeAPI) CommitVM(_ context.Context, name string, req api.CommitVM) (api.Operation, error) {
	return f.operation(), f.did(fmt.Sprintf("commit %s %s replace=%v", name, req.Image, req.Replace))
}

func (f *fakeAPI) HostStats(context.Context) (api.HostStats, error) {
	return api.HostStats{CPUs: 4, MemoryBytes: 8 << 30, MemoryAvailableBytes: 6 << 30}, nil
}

func (f *fakeAPI) DiskUsage(context.Context) (api.DiskUsage, error) {
	return api.DiskUsage{Items: []api.DiskUse{{Type: "images", Count: 1, SizeBytes: 3 << 30}}, SizeBytes: 4 << 30, ReclaimableBytes: 2 << 30}, nil
}

func (f *fakeAPI) Prunable(_ context.Context, req api.Prune) (api.Pruned, error) {
	if !req.All {
		return api.Pruned{}, nil
	}
	return api.Pruned{Images: []api.DiskEntry{{ID: "i1", Name: hostile, SizeBytes: 1 << 30}}, LayersBytes: 1 << 20, DownloadsBytes: 1 << 10, ReclaimedBytes: 1 << 30}, nil
}

func (f *fakeAPI) Prune(_ context.Context, req api.Prune) (api.Operation, error) {
	return f.operation(), f.did(fmt.Sprintf("prune all=%v", req.All))
}
