package server

import (
	"net/http"
)

// OpenAPI returns the API's contract as OpenAPI 3.1 in YAML, generated from
// the wire types. It is a function of tests, which write and compare api/openapi.yaml.
func OpenAPI() ([]byte, error) {
	a := newAPI(http.NewServeMux())
	(&Server{}).register(a)
	return a.OpenAPI().YAML()
}
