package server

import (
	"context"
	"slices"

	"github.com/bangervm/banger/internal/api"
)

// withImages adds to VMs' bodies what their images are called now. The list is whole
// without: what goes wrong is logged.
func (s *Server) withImages(ctx context.Context, bodies []api.VM) {
	all, err := s.Images.List(ctx)
	if err != nil {
		s.log.Warn("the names of VMs' images", "error", err)
		return
	}
	names := map[string][]string{}
	for _, m := range all {
		switch {
		case m.Unknown():
		case m.Name == "":
			names[m.ID] = []string{}
		default:
			names[m.ID] = append(names[m.ID], m.Name)
		}
	}
	for i := range bodies {
		b := &bodies[i]
		now, known := names[b.ImageID]
		switch {
		case !known || slices.Contains(now, b.Image):
		case len(now) > 0:
			b.Image = now[0]
		default:
			b.ImageUnnamed = true
		}
	}
}
