package mcp

import (
	"context"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// Snapshots keeps the disks of VMs, puts them back, and makes VMs of them. *client.Client
// is one.
type Snapshots interface {
	ListSnapshots(ctx context.Context, vm string) ([]api.Snapshot, error)
	CreateSnapshot(ctx context.Context, vm string, req api.CreateSnapshot) (api.Operation, error)
	RollbackVM(ctx context.Context, vm string, req api.RollbackVM) (api.Operation, error)
	ForkVM(ctx context.Context, vm string, req api.ForkVM) (api.Operation, error)
}

type snapshot struct {
	Name      string    `json:"name"`
	Note      string    `json:"note,omitempty"`
	Origin    string    `json:"origin" jsonschema:"asked, or rollback: what a rollback replaced"`
	CreatedAt time.Time `json:"created_at"`
	SizeBytes int64     `json:"size_bytes" jsonschema:"on the host's disk"`
	Work      string    `json:"work,omitempty" jsonschema:"unexported changes of its workspace: clean, changed or unknown"`
	Damaged   string    `json:"damaged,omitempty" jsonschema:"what is wrong with it"`
}

func snapshotView(s api.Snapshot) snapshot {
	return snapshot{
		Name: s.Name, Note: s.Note, Origin: s.Origin, CreatedAt: s.CreatedAt, SizeBytes: s.SizeBytes, Work: s.Work, Damaged: s.Damaged,
	}
}

type snapshotCreateArgs struct {
	VM       string `json:"vm" jsonschema:"name or ID prefix"`
	Name     string `json:"name,omitempty" jsonschema:"default: one with the time"`
	Note     string `json:"note,omitempty" jsonschema:"what to remember it by"`
	DiskOnly bool   `json:"disk_only,omitempty" jsonschema:"also of a running VM, which is paused while its disk is copied; its memory is not kept"`
}

type snapshotListArgs struct {
	VM string `json:"vm" jsonschema:"name or ID prefix"`
}

type snapshotListResult struct {
	Snapshots []snapshot `json:"snapshots" jsonschema:"oldest first"`
}

type vmRollbackArgs struct {
	VM       string `json:"vm" jsonschema:"name or ID prefix"`
	Snapshot string `json:"snapshot,omitempty" jsonschema:"default: the latest that was asked for"`
}

type vmRollbackResult struct {
	VM       VM       `json:"vm"`
	Snapshot snapshot `json:"snapshot" jsonschema:"what the VM is now"`
	Kept     snapshot `json:"kept" jsonschema:"what the VM was"`
}

type vmForkArgs struct {
	VM       string `json:"vm" jsonschema:"name or ID prefix"`
	Name     string `json:"name,omitempty" jsonschema:"of the copy; of several, with a number behind it"`
	Count    int    `json:"count,omitempty" jsonschema:"number of copies"`
	From     string `json:"from,omitempty" jsonschema:"snapshot to copy; default: the disk as it is"`
	DiskOnly bool   `json:"disk_only,omitempty" jsonschema:"also of a running VM, which is paused while its disk is copied"`
	Start    bool   `json:"start,omitempty" jsonschema:"start the copies and wait until they are ready"`
}

type vmForkResult struct {
	VMs []VM `json:"vms"`
}

func (s *Server) addSnapshotTools() {
	label := []limit{length(1, 63), matching("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")}
	addTool(s, spec{
		name: "snapshot_create", title: "Take a snapshot of a VM",
		description: "Keep a VM's disk as it is, to go back to with vm_rollback or to copy with vm_fork. The VM must be stopped, or set disk_only.",
		bounds:      bounds{"vm": vmName(), "name": label, "note": {length(0, 1024)}},
	}, s.snapshotCreate)
	addTool(s, spec{
		name: "snapshot_list", title: "List snapshots", description: "List the snapshots of a VM.",
		effect: effect{readOnly: true}, bounds: bounds{"vm": vmName()},
	}, s.snapshotList)
	addTool(s, spec{
		name: "vm_rollback", title: "Put a VM back to a snapshot",
		description: "Put a VM's disk back to a snapshot. What the VM was is kept as a snapshot, so nothing is lost. A running VM is restarted; its sessions end.",
		effect:      effect{destructive: true},
		bounds:      bounds{"vm": vmName(), "snapshot": {length(1, maxName)}},
	}, s.vmRollback)
	addTool(s, spec{
		name: "vm_fork", title: "Copy a VM",
		description: "Make VMs with a copy of a VM's disk and an identity of their own. The VM must be stopped, or set disk_only or from. Files that the host places, such as credentials, are not in the copies.",
		bounds: bounds{
			"vm": vmName(), "name": label, "count": {between(1, 32), fallback("1")}, "from": {length(1, maxName)}, "start": {fallback("true")},
		},
	}, s.vmFork)
}

func (s *Server) snapshotCreate(ctx context.Context, req *sdk.CallToolRequest, args snapshotCreateArgs) (snapshot, error) {
	op, err := s.follow(ctx, req, func(ctx context.Context) (api.Operation, error) {
		ask := api.CreateSnapshot{Note: args.Note, DiskOnly: args.DiskOnly}
		if args.Name != "" {
			ask.Name = &args.Name
		}
		return s.daemon.Snapshots.CreateSnapshot(ctx, args.VM, ask)
	})
	if err != nil {
		return snapshot{}, err
	}
	made, err := client.Result[api.Snapshot](op)
	return snapshotView(made), err
}

func (s *Server) snapshotList(ctx context.Context, _ *sdk.CallToolRequest, args snapshotListArgs) (snapshotListResult, error) {
	all, err := s.daemon.Snapshots.ListSnapshots(ctx, args.VM)
	out := snapshotListResult{Snapshots: []snapshot{}}
	for _, one := range all {
		out.Snapshots = append(out.Snapshots, snapshotView(one))
	}
	return out, err
}

func (s *Server) vmRollback(ctx context.Context, req *sdk.CallToolRequest, args vmRollbackArgs) (vmRollbackResult, error) {
	op, err := s.follow(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.Snapshots.RollbackVM(ctx, args.VM, api.RollbackVM{Snapshot: args.Snapshot})
	})
	if err != nil {
		return vmRollbackResult{}, err
	}
	done, err := client.Result[api.RolledBackVM](op)
	return vmRollbackResult{VM: s.vmView(done.VM), Snapshot: snapshotView(done.Snapshot), Kept: snapshotView(done.Kept)}, err
}

func (s *Server) vmFork(ctx context.Context, req *sdk.CallToolRequest, args vmForkArgs) (vmForkResult, error) {
	op, err := s.follow(ctx, req, func(ctx context.Context) (api.Operation, error) {
		ask := api.ForkVM{Count: &args.Count, From: args.From, DiskOnly: args.DiskOnly, Start: &args.Start}
		if args.Name != "" {
			ask.Name = &args.Name
		}
		return s.daemon.Snapshots.ForkVM(ctx, args.VM, ask)
	})
	if err != nil {
		return vmForkResult{}, err
	}
	made, err := client.Result[api.List[api.VM]](op)
	out := vmForkResult{VMs: []VM{}}
	for _, v := range made.Items {
		out.VMs = append(out.VMs, s.vmView(v))
	}
	return out, err
}
