package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
)

// Host is this host, and how banger is configured on it. It changes nothing.
type Host interface {
	// Config is the configuration of requests that bring none.
	Config(ctx context.Context) api.Config
	// Doctor runs all checks of the host, which takes seconds where the network or a program
	// is slow to answer.
	Doctor(ctx context.Context) api.DoctorReport
}

func (s *Server) hostRoutes(a huma.API) {
	handle(s, a, route{id: "config", method: http.MethodGet, path: "/config", tag: "daemon", summary: "Show each setting and where it comes from"},
		func(ctx context.Context, _ *none) (api.Config, error) { return s.Host.Config(ctx), nil })
	handle(s, a, route{id: "doctor", method: http.MethodGet, path: "/doctor", tag: "daemon", summary: "Check that this host can run VMs"},
		func(ctx context.Context, _ *none) (api.DoctorReport, error) { return s.Host.Doctor(ctx), nil })
}
