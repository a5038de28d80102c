package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bangervm/banger/internal/api"
)

// ListSnapshots returns those of a VM, oldest first.
func (c *Client) ListSnapshots(ctx context.Context, vm string) ([]api.Snapshot, error) {
	list, err := call[api.List[api.Snapshot]](ctx, c, http.MethodGet, path("vms", vm, "snapshots"), nil)
	return list.Items, err
}

// GetSnapshot returns one of a VM, by its name or ID.
func (c *Client) GetSnapshot(ctx context.Context, vm, snapshot string) (api.Snapshot, error) {
	return call[api.Snapshot](ctx, c, http.MethodGet, path("vms", vm, "snapshots", snapshot), nil)
}

// DiffSnapshot compares a snapshot with the snapshot to, or for an empty one with the VM's disk.
func (c *Client) DiffSnapshot(ctx context.Context, vm, snapshot, to string) (api.SnapshotDiff, error) {
	target := path("vms", vm, "snapshots", snapshot, "diff")
	if to != "" {
		target += "?" + url.Values{"to": {to}}.Encode()
	}
	return call[api.SnapshotDiff](ctx, c, http.MethodGet, target, nil)
}

// CreateSnapshot begins the operation whose result is the api.Snapshot.
func (c *Client) CreateSnapshot(ctx context.Context, vm string, req api.CreateSnapshot) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", vm, "snapshots"), req)
}

// DeleteSnapshot removes one. With work that only it has it is Conflict, unless discardWork.
func (c *Client) DeleteSnapshot(ctx context.Context, vm, snapshot string, discardWork bool) (api.Snapshot, error) {
	target := path("vms", vm, "snapshots", snapshot)
	if discardWork {
		target += "?" + url.Values{"discard_work": {"true"}}.Encode()
	}
	return call[api.Snapshot](ctx, c, http.MethodDelete, target, nil)
}

// PruneSnapshots removes those that req chooses, or only tells which.
func (c *Client) PruneSnapshots(ctx context.Context, req api.PruneSnapshots) (api.PrunedSnapshots, error) {
	return call[api.PrunedSnapshots](ctx, c, http.MethodPost, path("snapshots", "prune"), req)
}

// RollbackVM begins the operation whose result is the api.RolledBackVM.
func (c *Client) RollbackVM(ctx context.Context, vm string, req api.RollbackVM) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", vm, "rollback"), req)
}

// ForkVM begins the operation whose result is an api.List[api.VM].
func (c *Client) ForkVM(ctx context.Context, vm string, req api.ForkVM) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", vm, "fork"), req)
}
