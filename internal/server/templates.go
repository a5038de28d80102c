package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/template"
)

// Templates are the saved machines that starts go on from.
type Templates interface {
	List(ctx context.Context) ([]template.Stored, error)
	// Build makes the one for the shape of a VM, unless it is there.
	Build(ctx context.Context, vmName string, p operation.Progress) (template.Stored, error)
	// Prune removes all.
	Prune(ctx context.Context) ([]template.Stored, error)
}

func (s *Server) templateRoutes(a huma.API) {
	handle(s, a, route{id: "list-templates", method: http.MethodGet, path: "/templates", tag: "templates", summary: "List templates"},
		func(ctx context.Context, _ *none) (api.List[api.Template], error) {
			all, err := s.Templates.List(ctx)
			return listOf(all, templateBody), err
		})
	handle(s, a, route{id: "prune-templates", method: http.MethodPost, path: "/templates/prune", tag: "templates", summary: "Remove all templates"}, s.pruneTemplates)
	handle(s, a, route{
		id: "build-template", method: http.MethodPost, path: "/vms/{name}/template", tag: "templates",
		summary: "Build the template for a VM's shape, unless there is one", status: http.StatusAccepted,
	}, s.buildTemplate)
}

func (s *Server) pruneTemplates(ctx context.Context, _ *none) (api.PrunedTemplates, error) {
	gone, err := s.Templates.Prune(ctx)
	out := api.PrunedTemplates{Templates: listOf(gone, templateBody).Items}
	for _, t := range gone {
		out.ReclaimedBytes += t.Bytes
	}
	return out, err
}

func (s *Server) buildTemplate(ctx context.Context, in *Named) (api.Operation, error) {
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	op, err := s.Operations.Start(ctx, "template.build", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		t, err := s.Templates.Build(ctx, v.ID, p)
		if err != nil {
			return nil, err
		}
		return templateBody(t), nil
	})
	return operationBody(op), err
}

func templateBody(t template.Stored) api.Template {
	return api.Template{
		Key: t.Key, Driver: t.About.Driver, Kernel: t.About.Kernel, VCPU: t.About.VCPU, MemoryBytes: t.About.MemoryBytes,
		Disks: t.About.Disks, Network: t.About.Network, SizeBytes: t.Bytes, CreatedAt: t.CreatedAt.UTC(), UsedAt: t.UsedAt.UTC(),
	}
}
