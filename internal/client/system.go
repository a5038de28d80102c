package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/bangervm/banger/internal/api"
)

// HostStats returns what everything on the host takes.
func (c *Client) HostStats(ctx context.Context) (api.HostStats, error) {
	return call[api.HostStats](ctx, c, http.MethodGet, path("system", "stats"), nil)
}

// DiskUsage returns what banger's files take on the host's disk.
func (c *Client) DiskUsage(ctx context.Context) (api.DiskUsage, error) {
	return call[api.DiskUsage](ctx, c, http.MethodGet, path("system", "df"), nil)
}

// WebLink makes a link that signs one browser in to the web console.
func (c *Client) WebLink(ctx context.Context) (api.WebLink, error) {
	return call[api.WebLink](ctx, c, http.MethodPost, path("web", "links"), nil)
}

// SignOutWeb signs all browsers out of the web console.
func (c *Client) SignOutWeb(ctx context.Context) (api.SignedOut, error) {
	return call[api.SignedOut](ctx, c, http.MethodPost, path("web", "sign-out"), nil)
}

// Prunable returns what Prune would remove.
func (c *Client) Prunable(ctx context.Context, req api.Prune) (api.Pruned, error) {
	query := url.Values{"all": {strconv.FormatBool(req.All)}, "images_only": {strconv.FormatBool(req.ImagesOnly)}}
	return call[api.Pruned](ctx, c, http.MethodGet, path("system", "prunable")+"?"+query.Encode(), nil)
}

// Prune begins the operation whose result is the api.Pruned.
func (c *Client) Prune(ctx context.Context, req api.Prune) (api.Operation, error) {
	return call[api.Operation](ctx, c, http.MethodPost, path("system", "prune"), req)
}

// Config returns the configuration of requests that bring none of their own.
func (c *Client) Config(ctx context.Context) (api.Config, error) {
	return call[api.Config](ctx, c, http.MethodGet, path("config"), nil)
}

// Doctor has the daemon check the host, which takes seconds where a check is slow.
func (c *Client) Doctor(ctx context.Context) (api.DoctorReport, error) {
	return call[api.DoctorReport](ctx, c, http.MethodGet, path("doctor"), nil)
}
