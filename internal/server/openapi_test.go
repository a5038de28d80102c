package server_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/bangervm/banger/internal/server"
)

var update = flag.Bool("update", false, "write api/openapi.yaml")

// TestContractIsCurrent fails when the wire types and api/openapi.yaml differ.
func TestContractIsCurrent(t *testing.T) {
	path := filepath.Join("..", "..", "api", "openapi.yaml")
	want, err := server.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s has drifted from the wire types; run: go test ./internal/server -run TestContractIsCurrent -update", path)
	}
}

// TestContractIsWhole checks what a generated client stands on: the version, an
// id on every operation, and that each reference leads somewhere.
func TestContractIsWhole(t *testing.T) {
	data, err := server.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if v, _ := doc["openapi"].(string); !strings.HasPrefix(v, "3.1") {
		t.Errorf("openapi is %q, want 3.1", v)
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	ids := map[string]string{}
	for path, item := range doc["paths"].(map[string]any) {
		if !strings.HasPrefix(path, "/v1/") {
			t.Errorf("path %s is not below /v1", path)
		}
		for method, op := range item.(map[string]any) {
			id, _ := op.(map[string]any)["operationId"].(string)
			if id == "" || ids[id] != "" {
				t.Errorf("%s %s: operationId %q is empty or that of %s", method, path, id, ids[id])
			}
			ids[id] = method + " " + path
		}
	}
	for _, ref := range references(doc) {
		name, ok := strings.CutPrefix(ref, "#/components/schemas/")
		if !ok || schemas[name] == nil {
			t.Errorf("reference %s leads nowhere", ref)
		}
	}
}

func references(node any) []string {
	var refs []string
	switch n := node.(type) {
	case map[string]any:
		for key, child := range n {
			if ref, ok := child.(string); ok && key == "$ref" {
				refs = append(refs, ref)
			}
			refs = append(refs, references(child)...)
		}
	case []any:
		for _, child := range n {
			refs = append(refs, references(child)...)
		}
	}
	return refs
}
