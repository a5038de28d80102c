package firecracker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/goccy/go-yaml"

	"github.com/bangervm/banger/internal/vmm"
)

// published are Firecracker's descriptions of its API, src/firecracker/swagger/firecracker.yaml
// there, by their version. BANGER_FIRECRACKER_SPEC names them, with colons between.
var published = sync.OnceValues(func() (map[version]routers.Router, error) {
	all := map[version]routers.Router{}
	for _, path := range filepath.SplitList(os.Getenv("BANGER_FIRECRACKER_SPEC")) {
		v, router, err := readDescription(path)
		if err != nil {
			return nil, err
		}
		all[v] = router
	}
	return all, nil
})

func readDescription(path string) (version, routers.Router, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return version{}, nil, err
	}
	data, err = yaml.YAMLToJSON(data)
	if err != nil {
		return version{}, nil, err
	}
	var v2 openapi2.T
	if err := json.Unmarshal(data, &v2); err != nil {
		return version{}, nil, err
	}
	v, ok := parseVersion(v2.Info.Version)
	if !ok {
		return version{}, nil, fmt.Errorf("%s is of version %q", path, v2.Info.Version)
	}
	doc, err := openapi2conv.ToV3(&v2)
	if err != nil {
		return version{}, nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "http://firecracker"}}
	no := false
	for _, schema := range doc.Components.Schemas { // the description leaves open what the program does not
		if schema.Value != nil && len(schema.Value.Properties) > 0 {
			schema.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
		}
	}
	router, err := legacy.NewRouter(doc)
	return v, router, err
}

// describing is the description of this version's minor release, else of any; nil: there is
// none.
func describing(t *testing.T, v version) (router routers.Router, exact bool) {
	t.Helper()
	all, err := published()
	if err != nil {
		t.Fatal(err)
	}
	for described, r := range all {
		router = r
		if described.major == v.major && described.minor == v.minor {
			return r, true
		}
	}
	return router, false
}

// watched is the handler of a Firecracker of this version, each of whose successful exchanges is held against the
// published description.
func watched(t *testing.T, of string, h http.Handler) http.Handler {
	t.Helper()
	v, _ := parseVersion(of)
	router, _ := describing(t, v)
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
	router, _ := describing(t, newest())
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

// TestWhatEachVersionIsSentIsInItsDescription sends all that a machine's life takes to each
// supported version. A field that it does not know would be refused by its description.
func TestWhatEachVersionIsSentIsInItsDescription(t *testing.T) {
	for _, v := range []string{"1.15.1", "1.16.1", "1.17.0-dev"} {
		t.Run(v, func(t *testing.T) {
			parsed, _ := parseVersion(v)
			if _, exact := describing(t, parsed); !exact {
				t.Skip("BANGER_FIRECRACKER_SPEC names no description of this version")
			}
			var sent []string
			c := serve(t, &fakeAPI{version: v, start: func(net.Listener) error { return nil }, press: func() {}, state: func(bool) {}, sent: func(call string) { sent = append(sent, call) }})
			spec := fake(t, "")
			spec.NIC = &vmm.NIC{MAC: "52:54:00:00:01:02", MTU: 1500}
			if err := c.learnVersion(t.Context()); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			t.Chdir(dir) // the vsock's socket is relative
			m := &Machine{api: c}
			for _, s := range m.steps(spec) {
				if s.path == "/metrics" {
					s.body = metricsConfig{Path: "metrics"} // this process has no such descriptor
				}
				if err := c.put(t.Context(), s.path, s.body); err != nil {
					t.Errorf("%s: %v", s.path, err)
				}
			}
			for _, err := range []error{
				c.act(t.Context(), actionStart), c.setState(t.Context(), statePaused), c.setState(t.Context(), stateResumed), c.act(t.Context(), actionFlush), c.act(t.Context(), actionCtrlAltDel),
			} {
				if err != nil {
					t.Error(err)
				}
			}
			for _, call := range []string{
				"PUT /metrics", "PUT /machine-config", "PUT /cpu-config", "PUT /boot-source", "PUT /drives/disk0", "PUT /network-interfaces/nic", "PUT /vsock", "PUT /entropy",
				"PUT /balloon", "PUT /actions", "PATCH /vm",
			} {
				if !slices.Contains(sent, call) {
					t.Errorf("%s was not sent", call)
				}
			}
		})
	}
}
