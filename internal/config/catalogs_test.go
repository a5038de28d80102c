package config

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	minisignKey = "RWRESMeipNTaYYRqRbDXvGwuKa1ns+Jx8zeJT+JkscQXEF55m5qZsRQX"
	somePin     = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func TestCatalogs(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	dirs := statedir.Dirs{Config: t.TempDir()}
	err := os.WriteFile(dirs.ConfigFile(), []byte(`
[[catalogs]]
url = "https://kernels.example/catalog.json"
key = "`+minisignKey+`"
[[catalogs]]
url = "~/my catalog.json"
sha256 = "`+somePin+`"
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cfg, from, err := Load(dirs)
	if err != nil {
		t.Fatal(err)
	}
	want := []Catalog{
		{URL: "https://kernels.example/catalog.json", Key: minisignKey},
		{URL: "file:///home/me/my%20catalog.json", SHA256: somePin},
	}
	if diff := cmp.Diff(want, cfg.Catalogs); diff != "" || from["catalogs"] != FromFile {
		t.Errorf("from %s: %s", from["catalogs"], diff)
	}
	sent, err := cfg.Encode("")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := Decode(sent); err != nil || cmp.Diff(want, got.Catalogs) != "" {
		t.Errorf("bangerd reads %+v, %v", got.Catalogs, err)
	}
}

func TestCatalogsThatAreRefused(t *testing.T) {
	one := "[[catalogs]]\nurl = \"/c\"\nsha256 = \"" + somePin + "\"\n"
	for text, want := range map[string]string{
		"[[catalogs]]\nurl = \"https://x/c\"":                              "neither key nor sha256",
		"[[catalogs]]\nurl = \"http://x/c\"\nsha256 = \"" + somePin + "\"": "neither https nor file",
		"[[catalogs]]\nurl = \"https://x/c\"\nkey = \"RW\"":                "minisign public key",
		"[[catalogs]]\nurl = \"https://x/c\"\nsha265 = \"x\"":              `unknown key "catalogs.sha265"`,
		"catalogs = 3":                     "[[catalogs]] tables",
		strings.Repeat(one, maxCatalogs+1): "at most 16",
	} {
		if _, err := loadText(t, text, nil); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v; want %q", text, err, want)
		}
	}
}
