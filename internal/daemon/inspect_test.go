package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/statedir"
)

// The configuration is read each time; one that cannot be used is told, with the defaults.
func TestConfigAsItIs(t *testing.T) {
	home := t.TempDir()
	d := &daemon{dirs: statedir.Dirs{Config: home}}
	if err := os.MkdirAll(filepath.Dir(d.dirs.ConfigFile()), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(d.dirs.ConfigFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("BANGER_DISK", "3GiB")
	write("[vm]\nmemory = \"2GiB\"\n")
	got := d.Config(t.Context())
	for key, want := range map[string][2]string{"vm.memory": {"2GiB", "config.toml"}, "vm.disk": {"3GiB", "BANGER_DISK"}, "vm.vcpu": {"1", "default"}} {
		if s := setting(got, key); s.Value != want[0] || s.Source != want[1] {
			t.Errorf("%s: %+v", key, s)
		}
	}
	write("[vm]\nmemry = 1\n")
	if got = d.Config(t.Context()); got.Problem == nil || setting(got, "vm.memory").Value != "512MiB" {
		t.Errorf("%+v", got)
	}
}

func setting(c api.Config, key string) api.Setting {
	for _, s := range c.Settings {
		if s.Key == key {
			return s
		}
	}
	return api.Setting{}
}
