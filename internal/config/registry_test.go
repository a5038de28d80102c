package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/statedir"
)

func TestRegistries(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	dirs := statedir.Dirs{Config: t.TempDir()}
	err := os.WriteFile(dirs.ConfigFile(), []byte(`
[registry."index.docker.io"]
mirrors = ["mirror.example/hub", "http://localhost:5000"]

[registry."10.0.0.5:5000"]
insecure = true
[registry."git.example"]
ca_file = "~/ca.pem"
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cfg, from, err := Load(dirs)
	if err != nil || from["registry"] != FromFile {
		t.Fatalf("from %s: %v", from["registry"], err)
	}
	want := image.Registries{
		"docker.io":     {Mirrors: []image.Mirror{{Host: "mirror.example", Path: "hub"}, {Host: "localhost:5000", PlainHTTP: true}}},
		"10.0.0.5:5000": {Insecure: true},
		"git.example":   {CAFile: "/home/me/ca.pem"},
	}
	if diff := cmp.Diff(want, cfg.Access()); diff != "" {
		t.Error(diff)
	}
	sent, err := cfg.Encode("")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := Decode(sent); err != nil || cmp.Diff(want, got.Access()) != "" {
		t.Errorf("bangerd reads %+v, %v", got.Registries, err)
	}
}

func TestRegistriesThatAreRefused(t *testing.T) {
	const one = "[registry.\"docker.io\"]\n"
	var many strings.Builder
	for i := range maxRegistries + 1 {
		fmt.Fprintf(&many, "[registry.\"r%d.example\"]\n", i)
	}
	for text, want := range map[string]string{
		"[registry.docker]":                "is not a registry's HOST",
		"[registry.\"https://docker.io\"]": "is not a registry's HOST",
		one + "mirors = []":                `line 2: unknown key "registry.docker.io.mirors"`,
		one + "mirrors = \"x.example\"":    "line 2: registry.docker.io.mirrors: this is not a list of strings",
		one + "insecure = \"yes\"":         "is not true or false",
		one + "ca_file = 1":                "is not a string",
		one + "ca_file = \"ca.pem\"":       "is not absolute",
		one + "mirrors = [\"mirror\"]":     "is not a registry's HOST",
		one + "mirrors = [" + strings.Repeat("\"m.example\", ", maxMirrors+1) + "]": "at most 8",
		one + "[registry.\"index.docker.io\"]":                                      "two tables are for docker.io",
		"registry = 3":                                                              "table",
		"registry.\"docker.io\" = 3":                                                "table",
		many.String():                                                               "at most 64",
	} {
		if _, err := loadText(t, text, nil); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v; want %q", text, err, want)
		}
	}
}
