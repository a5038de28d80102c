package client

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/api"
)

// ListTemplates returns the saved machines that starts go on from, the latest used first.
func (c *Client) ListTemplates(ctx context.Context) ([]api.Template, error) {
	list, err := call[api.List[api.Template]](ctx, c, http.MethodGet, path("templates"), nil)
	return list.Items, err
}

// BuildTemplate begins the operation whose result is the api.Template for the VM's shape.
func (c *Client) BuildTemplate(ctx context.Context, vm string) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("vms", vm, "template"), nil)
}

// PruneTemplates removes all.
func (c *Client) PruneTemplates(ctx context.Context) (api.PrunedTemplates, error) {
	return call[api.PrunedTemplates](ctx, c, http.MethodPost, path("templates", "prune"), nil)
}
