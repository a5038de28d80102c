package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/bangervm/banger/internal/api"
)

// ListImages returns all local images.
func (c *Client) ListImages(ctx context.Context) ([]api.Image, error) {
	return list[api.Image](ctx, c, path("images"))
}

// GetImage returns the image called name (a name, or a unique prefix of an id).
func (c *Client) GetImage(ctx context.Context, name string) (api.Image, error) {
	return call[api.Image](ctx, c, http.MethodGet, path("images", name), nil)
}

// PullImage begins the operation whose result is the api.Image. For a Ref of
// tar:- the operation waits for SendInput.
func (c *Client) PullImage(ctx context.Context, req api.PullImage) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("images"), req)
}

// RegisterImage begins the operation whose result is the api.Image.
func (c *Client) RegisterImage(ctx context.Context, req api.RegisterImage) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("images", "register"), req)
}

// PromoteImage begins the operation whose result is the api.Image.
func (c *Client) PromoteImage(ctx context.Context, name string) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("images", name, "promote"), nil)
}

// VerifyImage begins the operation whose result is the api.Image. It fails as
// Unavailable when the image's files are missing or have changed.
func (c *Client) VerifyImage(ctx context.Context, name string) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("images", name, "verify"), nil)
}

// RepairImage begins the operation whose result is the api.Image.
func (c *Client) RepairImage(ctx context.Context, name string) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("images", name, "repair"), nil)
}

// TagImage gives an image another name. Conflict when another image has that.
func (c *Client) TagImage(ctx context.Context, name string, req api.TagImage) (api.Image, error) {
	return call[api.Image](ctx, c, http.MethodPost, path("images", name, "tag"), req)
}

// DeleteImage deletes a name of an image, and with its last name the image. Conflict
// while VMs use that.
func (c *Client) DeleteImage(ctx context.Context, name string) error {
	_, err := call[struct{}](ctx, c, http.MethodDelete, path("images", name), nil)
	return err
}

// SaveImage returns the image as an OCI archive. The caller closes it. An archive that
// the daemon could not write to its end is an error of Read.
func (c *Client) SaveImage(ctx context.Context, name string) (Archive, error) {
	resp, err := c.open(ctx, path("images", name, "archive")) //nolint:bodyclose // the Archive has it
	if err != nil {
		return Archive{}, err
	}
	a := Archive{ReadCloser: resp.Body, Digest: resp.Header.Get(api.ArchiveDigestHeader)}
	if json.Unmarshal([]byte(resp.Header.Get(api.ArchiveLayersHeader)), &a.Layers) != nil {
		a.Layers = api.ArchiveLayers{}
	}
	return a, nil
}

// Archive is an image on its way here.
type Archive struct {
	io.ReadCloser
	// Layers are none, and Digest is empty, when an older daemon does not tell.
	Layers api.ArchiveLayers
	Digest string // of its manifest
}

// ListKernels returns all local kernels.
func (c *Client) ListKernels(ctx context.Context) ([]api.Kernel, error) {
	return list[api.Kernel](ctx, c, path("kernels"))
}

// GetKernel returns the kernel called name.
func (c *Client) GetKernel(ctx context.Context, name string) (api.Kernel, error) {
	return call[api.Kernel](ctx, c, http.MethodGet, path("kernels", name), nil)
}

// ImportKernel begins the operation whose result is the api.Kernel.
func (c *Client) ImportKernel(ctx context.Context, req api.ImportKernel) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("kernels"), req)
}

// PullKernel begins the operation whose result is the api.Kernel.
func (c *Client) PullKernel(ctx context.Context, req api.PullKernel) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("kernels", "pull"), req)
}

// AvailableImages returns the images of catalogs. bangerd asks for the catalogs again.
func (c *Client) AvailableImages(ctx context.Context) (api.AvailableImages, error) {
	return call[api.AvailableImages](ctx, c, http.MethodGet, path("catalog", "images"), nil)
}

// AvailableKernels returns the kernels of catalogs. bangerd asks for the catalogs again.
func (c *Client) AvailableKernels(ctx context.Context) (api.AvailableKernels, error) {
	return call[api.AvailableKernels](ctx, c, http.MethodGet, path("catalog", "kernels"), nil)
}

// DeleteKernel deletes a kernel, and says who keeps one of their own.
func (c *Client) DeleteKernel(ctx context.Context, name string) (api.DeletedKernel, error) {
	return call[api.DeletedKernel](ctx, c, http.MethodDelete, path("kernels", name), nil)
}
