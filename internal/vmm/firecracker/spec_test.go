package firecracker

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/goccy/go-yaml"
)

// published is Firecracker's description of its API, src/firecracker/swagger/firecracker.yaml
// there, which BANGER_FIRECRACKER_SPEC names; nil: it names none.
var published = sync.OnceValues(func() (routers.Router, error) {
	path := os.Getenv("BANGER_FIRECRACKER_SPEC")
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	data, err = yaml.YAMLToJSON(data)
	if err != nil {
		return nil, err
	}
	var v2 openapi2.T
	if err := json.Unmarshal(data, &v2); err != nil {
		return nil, err
	}
	doc, err := openapi2conv.ToV3(&v2)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "http://firecracker"}}
	no := false
	for _, schema := range doc.Components.Schemas { // the description leaves open what the program does not
		if schema.Value != nil && len(schema.Value.Properties) > 0 {
			schema.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
		}
	}
	return legacy.NewRouter(doc)
})

// watched is the handler, each of whose successful exchanges is held against the
// published description.
func watched(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	router, err := published()
	if err != nil {
		t.Fatal(err)
	}
	if router == nil {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		if answer.Code < 300 {
			if err := conforms(r, body, answer, router); err != nil {
				t.Errorf("%s %s %s is not as published: %v", r.Method, r.URL.Path, body, err)
			}
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

func conforms(r *http.Request, body []byte, answer *httptest.ResponseRecorder, router routers.Router) error {
	ctx := r.Context()
	asked := r.Clone(ctx)
	asked.URL.Scheme, asked.URL.Host = "http", "firecracker"
	asked.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := router.FindRoute(asked)
	if err != nil {
		return err
	}
	in := &openapi3filter.RequestValidationInput{Request: asked, PathParams: params, Route: route}
	if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: answer.Code, Header: answer.Header(), Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
	})
}

func TestThePublishedDescriptionRefusesWhatItDoesNotKnow(t *testing.T) {
	router, err := published()
	if err != nil {
		t.Fatal(err)
	}
	if router == nil {
		t.Skip("BANGER_FIRECRACKER_SPEC names no description")
	}
	for body, good := range map[string]bool{
		`{"vcpu_count":1,"mem_size_mib":128}`: true, `{"vcpu_count":1,"mem_size_mib":128,"odd":1}`: false, `{"vcpu_count":99,"mem_size_mib":128}`: false, `{"vcpu_count":1}`: false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "http://firecracker/machine-config", bytes.NewReader([]byte(body)))
		r.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		answer.WriteHeader(http.StatusNoContent)
		if err := conforms(r, []byte(body), answer, router); (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
}
