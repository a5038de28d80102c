package client

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
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

// GetWorkspace returns a VM's workspace, looked at again if the VM runs.
func (c *Client) GetWorkspace(ctx context.Context, name string) (api.Workspace, error) {
	return call[api.Workspace](ctx, c, http.MethodGet, path("vms", name, "workspace"), nil)
}

// ExportWorkspace begins the operation; its result is the api.Export.
func (c *Client) ExportWorkspace(ctx context.Context, name string, req api.ExportWorkspace) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", name, "workspace", "exports"), req)
}

// ReadExport returns the bytes of the last export, which the operation that made
// it described as e. The caller closes it. A read fails with Unavailable where
// the export ends before e.Bytes.
func (c *Client) ReadExport(ctx context.Context, name string, e api.Export) (io.ReadCloser, error) {
	body, err := c.stream(ctx, path("vms", name, "workspace", "exports", e.ID))
	if err != nil {
		return nil, err
	}
	return &export{body: body, left: e.Bytes, size: e.Bytes, broke: func(err error) error { return c.transportError(ctx, err) }}, nil
}

// export reads as many bytes as were announced, and no more.
type export struct {
	body       io.ReadCloser
	left, size int64
	broke      func(error) error
}

// Read is part of io.Reader.
func (e *export) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n, err := e.body.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	switch {
	case err == nil || e.left == 0:
		return n, nil
	case errors.Is(err, io.EOF):
		return n, fault.New(fault.Unavailable, "the export ended after %d of %d bytes", e.size-e.left, e.size).WithHint("try again")
	default:
		return n, e.broke(err)
	}
}

// Close is part of io.Closer.
func (e *export) Close() error { return e.body.Close() }

// AcceptExport says that the export is in safe hands: what is in it counts as
// exported.
func (c *Client) AcceptExport(ctx context.Context, name, id string) error {
	_, err := call[struct{}](ctx, c, http.MethodPost, path("vms", name, "workspace", "exports", id, "accept"), nil)
	return err
}
