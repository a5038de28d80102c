package daemon

import (
	"context"
	"io"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitapply"
	"github.com/bangervm/banger/internal/snapshot"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/workspace"
)

// Workspace implements workspace.Guests.
func (g guests) Workspace(ctx context.Context, vmID string, req workspace.GuestRequest) (io.ReadWriteCloser, error) {
	client, err := g.client(vmID)
	if err != nil {
		return nil, err
	}
	verb := agentrpc.WorkspaceCollect
	if req.Put {
		verb = agentrpc.WorkspacePut
	}
	return client.Workspace(ctx, agentrpc.WorkspaceRequest{
		Verb: verb, Path: req.Path, Replace: req.Replace, Bytes: req.Bytes, Files: req.Files, Format: req.Format, Base: req.Base,
	})
}

// recoverApplies undoes the patches that were cut off when they were applied to
// work trees of the user's. What cannot be undone stops no daemon.
func (d *daemon) recoverApplies(applier *gitapply.Applier) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := applier.Recover(ctx); err != nil {
			d.log.Warn("a patch was interrupted and not undone in all files", "error", err)
		}
		return nil
	}
}

// workspaces implements vm.Workspaces and workspace.VMs, each on the service
// that is made after it.
type workspaces struct{ d *daemon }

func (w workspaces) Get(ctx context.Context, name string) (vm.VM, error) {
	return w.d.vms.Get(ctx, name)
}

func (w workspaces) Unsaved(ctx context.Context, v vm.VM, keep []string) (string, error) {
	return w.d.workspaces.Unsaved(ctx, v, keep)
}

func (w workspaces) Save(ctx context.Context, v vm.VM, dir string) (string, snapshot.Work, error) {
	return w.d.workspaces.Save(ctx, v, dir)
}

func (w workspaces) Load(ctx context.Context, vmID, dir string) error {
	return w.d.workspaces.Load(ctx, vmID, dir)
}

func (w workspaces) Copy(ctx context.Context, v vm.VM, to string) error {
	return w.d.workspaces.Copy(ctx, v, to)
}

func (w workspaces) Stopping(ctx context.Context, v vm.VM, gently bool) {
	w.d.workspaces.Stopping(ctx, v, gently)
}
