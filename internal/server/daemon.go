package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func (s *Server) daemonRoutes(a huma.API) {
	handle(s, a, route{
		id: "ping", method: http.MethodGet, path: api.PingPath, tag: "daemon", summary: "Identify the daemon",
	}, func(ctx context.Context, _ *none) (api.Ping, error) {
		return s.Daemon.Ping(ctx), nil
	})
	handleEmpty(s, a, route{
		id: "stop-daemon", method: http.MethodPost, path: api.StopPath, tag: "daemon",
		summary: "End the daemon; VMs keep running",
	}, s.stopDaemon)
}

func (s *Server) stopDaemon(_ context.Context, in *struct{ Body *api.StopDaemon }) error {
	force := in.Body != nil && in.Body.Force
	if n := s.Daemon.Active(); n > 0 && !force {
		return fault.New(fault.Busy, "%s in progress", fault.Count(n, "operation")).
			WithHint("wait for them, or %s to cancel them", act.DaemonStop.Do(act.Force))
	}
	if n, names := s.relays.list(); n > 0 && !force {
		return fault.New(fault.Busy, "%s through the daemon would be interrupted: %s", fault.Count(n, "stream"), names).
			WithHint("wait for them, or %s to cut them", act.DaemonStop.Do(act.Force))
	}
	s.Daemon.Stop()
	return nil
}
