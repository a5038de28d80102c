package server

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bangervm/banger/internal/api"
)

// maxBody bounds a JSON body, in bytes.
const maxBody = 1 << 20

func newAPI(mux *http.ServeMux) huma.API {
	useProblems()
	config := huma.DefaultConfig("banger", api.Version)
	config.Info.Description = "The API of bangerd, on its unix socket. Long work answers with an operation, " +
		"which outlives the connection; follow it at /v1/operations/{id}/events."
	config.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	config.CreateHooks = nil
	config.DocsPath, config.SchemasPath = "", ""
	config.OpenAPIPath = "/" + api.Version + "/openapi"
	config.RejectUnknownQueryParameters = true
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[problem](), reflect.TypeFor[api.Problem]())
	config.Tags = []*huma.Tag{
		{Name: "daemon"},
		{Name: "vms"},
		{Name: "guests", Description: "what happens inside a VM"},
		{Name: "network", Description: "what a guest may reach, and its ports on the host"},
		{Name: "sessions", Description: "commands that keep running in a VM when clients disconnect"},
		{Name: "workspaces", Description: "git work trees copied to a VM, and the changes exported from it"},
		{Name: "snapshots", Description: "the disks of VMs as they were: to go back to, and to make VMs of"},
		{Name: "images"},
		{Name: "kernels"},
		{Name: "templates", Description: "saved machines from which VMs start without booting a kernel"},
		{Name: "system", Description: "what takes the host's disk"},
		{Name: "web", Description: "who is let into the web console"},
		{Name: "operations", Description: "long work"},
		{Name: "events", Description: "what changes, as one stream"},
	}
	return humago.New(mux, config)
}

func (s *Server) register(a huma.API) {
	s.daemonRoutes(a)
	s.hostRoutes(a)
	s.vmRoutes(a)
	s.guestRoutes(a)
	s.networkRoutes(a)
	s.statsRoutes(a)
	s.sessionRoutes(a)
	s.workspaceRoutes(a)
	s.snapshotRoutes(a)
	s.imageRoutes(a)
	s.kernelRoutes(a)
	s.templateRoutes(a)
	s.systemRoutes(a)
	s.webRoutes(a)
	s.operationRoutes(a)
	s.eventRoutes(a)
}

// route describes one endpoint.
type route struct {
	id, method, path, tag, summary string
	status                         int // of success; 0 means 200
	describe                       func(*huma.Operation)
}

func (r route) operation() huma.Operation {
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: "/" + api.Version + r.path, Summary: r.summary,
		Tags: []string{r.tag}, DefaultStatus: r.status, MaxBodyBytes: maxBody,
	}
	if r.describe != nil {
		r.describe(&op)
	}
	return op
}

// answer is a JSON body.
type answer[T any] struct{ Body T }

// handle registers an endpoint whose answer is a JSON body.
func handle[In, Out any](s *Server, a huma.API, r route, f func(context.Context, *In) (Out, error)) {
	huma.Register(a, r.operation(), func(ctx context.Context, in *In) (*answer[Out], error) {
		out, err := f(ctx, in)
		if err != nil {
			return nil, problemOf(s.log, err)
		}
		return &answer[Out]{Body: out}, nil
	})
}

// handleEmpty registers an endpoint whose answer has no body.
func handleEmpty[In any](s *Server, a huma.API, r route, f func(context.Context, *In) error) {
	r.status = http.StatusNoContent
	huma.Register(a, r.operation(), func(ctx context.Context, in *In) (*struct{}, error) {
		if err := f(ctx, in); err != nil {
			return nil, problemOf(s.log, err)
		}
		return nil, nil //nolint:nilnil // huma: no body, the default status
	})
}

// handleStream registers an endpoint that writes its answer itself. The
// function may refuse with an error, or return what writes.
func handleStream[In any](s *Server, a huma.API, r route, f func(context.Context, *In) (func(http.ResponseWriter, *http.Request), error)) {
	huma.Register(a, r.operation(), func(ctx context.Context, in *In) (*huma.StreamResponse, error) {
		write, err := f(ctx, in)
		if err != nil {
			return nil, problemOf(s.log, err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			write(w, r)
		}}, nil
	})
}

// none is an endpoint's input when it has none.
type none struct{}

// Named is the path parameter of most endpoints. It is exported because huma
// does not look into embedded fields that are not.
type Named struct {
	Name string `path:"name" maxLength:"255" doc:"a name, or a unique prefix of an ID"`
}
