package config

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
)

func TestFilesToPlace(t *testing.T) {
	cfg, err := loadText(t, `
[[files]]
preset = "codex"
[[files]]
host = "~/.gitconfig"
[[files]]
host = "/etc/ca"
guest = "/etc/ca"
mode = "0640"
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{Host: "~/.codex/auth.json", Guest: "/root/.codex/auth.json"},
		{Host: "~/.codex/config.toml", Guest: "/root/.codex/config.toml"},
		{Host: "~/.gitconfig", Guest: "/root/.gitconfig"},
		{Host: "/etc/ca", Guest: "/etc/ca", Mode: "0640"},
	}
	if diff := cmp.Diff(want, cfg.Placed()); diff != "" {
		t.Error(diff)
	}
	if none := Default().Placed(); len(none) != 0 {
		t.Errorf("placed unasked: %v", none)
	}
}

func TestFilesThatCannotBePlaced(t *testing.T) {
	for _, table := range []string{
		``, `preset = "emacs"`, `host = "relative"`, `host = "/etc/x"`, `host = "~/x"` + "\n" + `guest = "x"`,
		`host = "~/x"` + "\n" + `mode = "888"`, `host = "~/x"` + "\n" + `mode = "4755"`, `preset = "pi"` + "\n" + `host = "~/x"`, `owner = "me"`,
	} {
		if cfg, err := loadText(t, "[[files]]\n"+table, nil); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q gave %v, %v; want Invalid", table, cfg.Files, err)
		}
	}
}
