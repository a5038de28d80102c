package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
)

func (s *Server) webRoutes(a huma.API) {
	handle(s, a, route{
		id: "create-web-link", method: http.MethodPost, path: "/web/links", tag: "web",
		summary: "Make a link that signs one browser in to the web console",
	}, func(context.Context, *none) (api.WebLink, error) {
		url, ends, err := s.Web.Link()
		return api.WebLink{URL: url, ExpiresAt: ends.UTC()}, err
	})
	handle(s, a, route{
		id: "sign-out-web", method: http.MethodPost, path: "/web/sign-out", tag: "web",
		summary: "Sign all browsers out of the web console",
	}, func(context.Context, *none) (api.SignedOut, error) {
		n, err := s.Web.SignOut()
		return api.SignedOut{Sessions: n}, err
	})
}
