package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/operation"
)

// System is banger's files on the host's disk.
type System interface {
	DiskUsage(ctx context.Context) (api.DiskUsage, error)
	// Prunable tells what Prune would remove.
	Prunable(ctx context.Context, req api.Prune) (api.Pruned, error)
	Prune(ctx context.Context, req api.Prune, p operation.Progress) (api.Pruned, error)
}

func (s *Server) systemRoutes(a huma.API) {
	handle(s, a, route{id: "host-stats", method: http.MethodGet, path: "/system/stats", tag: "system", summary: "Show what everything on the host takes"},
		func(ctx context.Context, _ *none) (api.HostStats, error) { return s.Daemon.HostStats(ctx), nil })
	handle(s, a, route{id: "disk-usage", method: http.MethodGet, path: "/system/df", tag: "system", summary: "Show what takes the host's disk"},
		func(ctx context.Context, _ *none) (api.DiskUsage, error) { return s.System.DiskUsage(ctx) })
	handle(s, a, route{id: "prunable", method: http.MethodGet, path: "/system/prunable", tag: "system", summary: "Show what a prune would remove"}, s.prunable)
	handle(s, a, route{
		id: "prune", method: http.MethodPost, path: "/system/prune", tag: "system", summary: "Remove what nothing uses",
		status: http.StatusAccepted,
	}, s.prune)
}

type pruneQuery struct {
	All        bool `query:"all" doc:"images with names too"`
	ImagesOnly bool `query:"images_only" doc:"leave the layer cache"`
}

func (s *Server) prunable(ctx context.Context, in *pruneQuery) (api.Pruned, error) {
	return s.System.Prunable(ctx, api.Prune{All: in.All, ImagesOnly: in.ImagesOnly})
}

func (s *Server) prune(ctx context.Context, in *struct{ Body api.Prune }) (api.Operation, error) {
	op, err := s.Operations.Start(ctx, "system.prune", "", func(ctx context.Context, p operation.Progress) (any, error) {
		return s.System.Prune(ctx, in.Body, p)
	})
	return operationBody(op), err
}
