package server

import (
	"net/http"
)

// OpenAPI returns the API's contract as OpenAPI 3.1 in YAML, generated from
// the wire types. api/openapi.yaml is this; a test fails when it differs.
func OpenAPI() ([]byte, error) {
	a := newAPI(http.NewServeMux())
	(&Server{}).register(a)
	return a.OpenAPI().YAML()
}
