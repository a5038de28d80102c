package cli

import (
	"testing"

	"github.com/bangervm/banger/internal/config"
)

func TestColdIsOfOneCommand(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("BANGER_TEMPLATE", config.TemplateAuto)
	none := func(string) (string, bool) { return "", false }
	for cold, want := range map[bool]string{false: config.TemplateAuto, true: config.TemplateOff} {
		sent, err := (&App{LookupEnv: none, cold: cold}).settings()
		if err != nil {
			t.Fatal(err)
		}
		if cfg, _, err := config.Decode(sent); err != nil || cfg.VM.Template != want {
			t.Errorf("with cold %t bangerd is told %q, %v", cold, cfg.VM.Template, err)
		}
	}
}
