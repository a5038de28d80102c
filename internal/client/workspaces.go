package client

import (
	"context"
	"io"
	"net/http"

	"github.com/bangervm/banger/internal/api"
)

// PrepareWorkspace begins the operation; its result is the api.Workspace.
func (c *Client) PrepareWorkspace(ctx context.Context, name string, req api.PrepareWorkspace) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "workspace"), req)
}

// CheckWorkspace says beforehand what PrepareWorkspace will refuse of a work
// tree, whatever the VM.
func (c *Client) CheckWorkspace(ctx context.Context, req api.PrepareWorkspace) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, path("workspaces", "check"), req)
	return err
}

// GetWorkspace returns a VM's workspace, looked at anew if the VM runs.
func (c *Client) GetWorkspace(ctx context.Context, name string) (api.Workspace, error) {
	return call[api.Workspace](ctx, c, http.MethodGet, path("vms", name, "workspace"), nil)
}

// ExportWorkspace begins the operation; its result is the api.Export.
func (c *Client) ExportWorkspace(ctx context.Context, name string, req api.ExportWorkspace) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "workspace", "exports"), req)
}

// ReadExport returns the bytes of the last export. The caller closes it.
func (c *Client) ReadExport(ctx context.Context, name, id string) (io.ReadCloser, error) {
	req, err := request(ctx, http.MethodGet, path("vms", name, "workspace", "exports", id), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// AcceptExport says that the export is in safe hands: what is in it counts as
// exported.
func (c *Client) AcceptExport(ctx context.Context, name, id string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, path("vms", name, "workspace", "exports", id, "accept"), nil)
	return err
}
