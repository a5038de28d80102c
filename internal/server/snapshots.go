package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
)

// Snapshots keep the disks of VMs as they were, and make VMs of them.
type Snapshots interface {
	// The Check… say what a verb would refuse, before there is an operation.
	CheckSnapshot(ctx context.Context, ref string, req vm.SnapshotRequest) (vm.VM, error)
	CheckRollback(ctx context.Context, ref string, req vm.RollbackRequest) (vm.VM, error)
	CheckFork(ctx context.Context, ref string, req vm.ForkRequest) (vm.VM, error)
	CreateSnapshot(ctx context.Context, ref string, req vm.SnapshotRequest, p operation.Progress) (snapshot.Snapshot, error)
	Snapshots(ctx context.Context, ref string) (vm.VM, []snapshot.Snapshot, error)
	Snapshot(ctx context.Context, ref, name string) (vm.VM, snapshot.Snapshot, error)
	DeleteSnapshot(ctx context.Context, ref, name string, discardWork bool) (vm.VM, snapshot.Snapshot, error)
	DiffSnapshot(ctx context.Context, ref, from, to string) ([]snapshot.Change, int, error)
	PruneSnapshots(ctx context.Context, ref string, how snapshot.Pruning, dryRun bool) ([]vm.PrunedSnapshots, error)
	Rollback(ctx context.Context, ref string, req vm.RollbackRequest, p operation.Progress) (vm.RolledBack, error)
	Fork(ctx context.Context, ref string, req vm.ForkRequest, p operation.Progress) ([]vm.VM, error)
}

// OfVM is the path of one snapshot.
type OfVM struct {
	Named
	Snapshot string `path:"snapshot" maxLength:"255" doc:"a name or an ID"`
}

func (s *Server) snapshotRoutes(a huma.API) {
	at := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: path, tag: "snapshots", summary: summary}
	}
	long := func(id, path, summary string) route {
		r := at(id, http.MethodPost, path, summary)
		r.status = http.StatusAccepted
		return r
	}
	handle(s, a, at("list-snapshots", http.MethodGet, "/vms/{name}/snapshots", "List a VM's snapshots, oldest first"),
		func(ctx context.Context, in *Named) (api.List[api.Snapshot], error) {
			v, all, err := s.Snapshots.Snapshots(ctx, in.Name)
			return listOf(all, func(one snapshot.Snapshot) api.Snapshot { return snapshotBody(v, one) }), err
		})
	handle(s, a, at("get-snapshot", http.MethodGet, "/vms/{name}/snapshots/{snapshot}", "Show a snapshot"),
		func(ctx context.Context, in *OfVM) (api.Snapshot, error) {
			v, one, err := s.Snapshots.Snapshot(ctx, in.Name, in.Snapshot)
			return snapshotBody(v, one), err
		})
	handle(s, a, at("diff-snapshot", http.MethodGet, "/vms/{name}/snapshots/{snapshot}/diff", "Compare a snapshot with a VM's disk, or with another"), s.diffSnapshot)
	handle(s, a, long("create-snapshot", "/vms/{name}/snapshots", "Keep a VM's disk as it is"), s.createSnapshot)
	handle(s, a, at("delete-snapshot", http.MethodDelete, "/vms/{name}/snapshots/{snapshot}", "Delete a snapshot"), s.deleteSnapshot)
	handle(s, a, at("prune-snapshots", http.MethodPost, "/snapshots/prune", "Delete snapshots that rollbacks left, or older ones"), s.pruneSnapshots)
	handle(s, a, long("rollback-vm", "/vms/{name}/rollback", "Put a snapshot in the place of a VM's disk, and keep what it was"), s.rollbackVM)
	handle(s, a, long("fork-vm", "/vms/{name}/fork", "Make VMs with a copy of a VM's disk"), s.forkVM)
}

func (s *Server) createSnapshot(ctx context.Context, in *vmRequest[*api.CreateSnapshot]) (api.Operation, error) {
	req := vm.SnapshotRequest{}
	if in.Body != nil {
		req = vm.SnapshotRequest{Name: in.Body.Name, Note: in.Body.Note, DiskOnly: in.Body.DiskOnly}
	}
	v, err := s.Snapshots.CheckSnapshot(ctx, in.Name, req)
	if err != nil {
		return api.Operation{}, err
	}
	op, err := s.Operations.Start(ctx, "snapshot.create", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		one, err := s.Snapshots.CreateSnapshot(ctx, v.ID, req, p)
		if err != nil {
			return nil, err
		}
		return snapshotBody(v, one), nil
	})
	return operationBody(op), err
}

func (s *Server) deleteSnapshot(ctx context.Context, in *struct {
	OfVM
	DiscardWork bool `query:"discard_work" doc:"also with unexported work that only it has"`
},
) (api.Snapshot, error) {
	v, one, err := s.Snapshots.DeleteSnapshot(ctx, in.Name, in.Snapshot, in.DiscardWork)
	return snapshotBody(v, one), err
}

func (s *Server) diffSnapshot(ctx context.Context, in *struct {
	OfVM
	To string `query:"to" maxLength:"255" doc:"a later snapshot; default: the disk of the VM, which must be stopped"`
},
) (api.SnapshotDiff, error) {
	changes, total, err := s.Snapshots.DiffSnapshot(ctx, in.Name, in.Snapshot, in.To)
	out := api.SnapshotDiff{Changes: make([]api.SnapshotChange, 0, len(changes)), Total: total}
	for _, c := range changes {
		out.Changes = append(out.Changes, api.SnapshotChange{Path: plain.Line(c.Path, maxPathShown), Change: c.Kind})
	}
	return out, err
}

// maxPathShown bounds a path of a guest, in bytes.
const maxPathShown = 4096

func (s *Server) pruneSnapshots(ctx context.Context, in *struct{ Body api.PruneSnapshots }) (api.PrunedSnapshots, error) {
	how := snapshot.Pruning{All: in.Body.All, Keep: in.Body.Keep, DiscardWork: in.Body.DiscardWork}
	pruned, err := s.Snapshots.PruneSnapshots(ctx, in.Body.VM, how, in.Body.DryRun)
	out := api.PrunedSnapshots{Snapshots: []api.Snapshot{}, Held: []api.Snapshot{}}
	for _, of := range pruned {
		for _, one := range of.Gone {
			out.Snapshots = append(out.Snapshots, snapshotBody(of.VM, one))
			out.ReclaimedBytes += one.SizeBytes
		}
		for _, one := range of.Held {
			out.Held = append(out.Held, snapshotBody(of.VM, one))
		}
	}
	return out, err
}

func (s *Server) rollbackVM(ctx context.Context, in *vmRequest[*api.RollbackVM]) (api.Operation, error) {
	req := vm.RollbackRequest{}
	if in.Body != nil {
		req = vm.RollbackRequest{Snapshot: in.Body.Snapshot, NoStart: in.Body.NoStart}
	}
	v, err := s.Snapshots.CheckRollback(ctx, in.Name, req)
	if err != nil {
		return api.Operation{}, err
	}
	op, err := s.Operations.Start(ctx, "vm.rollback", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		done, err := s.Snapshots.Rollback(ctx, v.ID, req, p)
		if err != nil {
			return nil, err
		}
		return api.RolledBackVM{VM: s.liveVM(done.VM), Snapshot: snapshotBody(v, done.To), Kept: snapshotBody(v, done.Kept)}, nil
	})
	return operationBody(op), err
}

func (s *Server) forkVM(ctx context.Context, in *vmRequest[*api.ForkVM]) (api.Operation, error) {
	body := in.Body
	if body == nil {
		body = &api.ForkVM{}
	}
	req, err := forkRequest(*body)
	if err != nil {
		return api.Operation{}, err
	}
	v, err := s.Snapshots.CheckFork(ctx, in.Name, req)
	if err != nil {
		return api.Operation{}, err
	}
	op, err := s.Operations.Start(ctx, "vm.fork", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		made, err := s.Snapshots.Fork(ctx, v.ID, req, p)
		if err != nil {
			return nil, err
		}
		return listOf(made, s.liveVM), nil
	})
	return operationBody(op), err
}

func forkRequest(body api.ForkVM) (vm.ForkRequest, error) {
	wait, err := vm.ParseWait(body.Wait)
	req := vm.ForkRequest{
		Name: body.Name, Count: 1, From: body.From, WithFiles: body.WithFiles, DiskOnly: body.DiskOnly,
		Start: body.Start == nil || *body.Start, Wait: wait,
	}
	if body.Count != nil {
		req.Count = *body.Count
	}
	return req, err
}

func snapshotBody(v vm.VM, one snapshot.Snapshot) api.Snapshot {
	return api.Snapshot{
		ID: one.ID, Name: one.Name, VM: v.Name, VMID: v.ID, Note: one.Note, Kind: string(one.Kind), Origin: string(one.Origin),
		CreatedAt: one.CreatedAt.UTC(), Live: one.Live, ImageID: one.ImageID, ImageDigest: one.ImageDigest, Kernel: one.Kernel,
		DiskBytes: one.DiskBytes, SizeBytes: one.SizeBytes, ResetPending: one.ResetPending,
		Workspace: one.Workspace, Work: string(one.Work), Damaged: one.Damaged,
	}
}

// withSnapshots adds how many snapshots a VM has. Where they cannot be read it is not known.
func (s *Server) withSnapshots(ctx context.Context, body *api.VM) {
	_, all, err := s.Snapshots.Snapshots(ctx, body.ID)
	if err != nil || len(all) == 0 {
		return
	}
	body.Snapshots = &api.VMSnapshots{Count: len(all)}
	for _, one := range all {
		body.Snapshots.SizeBytes += one.SizeBytes
	}
}
