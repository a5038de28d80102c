package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/fault"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "17": 17, "17B": 17, "1K": 1 << 10, "1k": 1 << 10, "1KiB": 1 << 10, "1KB": 1 << 10,
		"512M": 512 << 20, "2GiB": 2 << 30, "2g": 2 << 30, " 2 GiB ": 2 << 30, "1.5G": 3 << 29, "1T": 1 << 40, "-1G": -1 << 30,
		"8589934592": 8 << 30,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "G", "2X", "two", "1e3", "0x10", "NaN", "Inf", "1.2.3", "2GG", "2i", "1 2", "2GiBB", "--1", "9223372036854775807K", "99999999T", "1_0",
	} {
		if got, err := ParseSize(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %d, %v, want invalid", text, got, err)
		} else if !strings.Contains(err.Error(), `"`+text+`"`) {
			t.Errorf("%q: the message %q does not say it", text, err)
		}
	}
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0B", 17: "17B", 1023: "1023B", 1024: "1KiB", 512 << 20: "512MiB", 3 << 29: "1.5GiB", 2 << 40: "2TiB", -1 << 30: "-1GiB",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(size), got, want)
		}
	}
}

func TestSizeTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64().Draw(t, "size"))
		text, err := size.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Size
		if err := back.UnmarshalText(text); err != nil || back != size {
			t.Fatalf("%d → %s → %d, %v", int64(size), text, int64(back), err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"2GiB", "1.5G", "-1", "9223372036854775807", "1e9", "∞"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := ParseSize(text); err != nil && !errors.Is(err, fault.Invalid) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func loadText(t *testing.T, file string, env map[string]string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := load(path, environ(env))
	return cfg, err
}

func environ(env map[string]string) []string {
	var all []string
	for key, value := range env {
		all = append(all, key+"="+value)
	}
	return all
}

func TestNoFileIsTheDefault(t *testing.T) {
	got, from, err := load(filepath.Join(t.TempDir(), "none.toml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Error(diff)
	}
	for _, name := range keyNames() {
		if from[name] != FromDefault {
			t.Errorf("%s is from %q", name, from[name])
		}
	}
}

func TestFileThenEnvironment(t *testing.T) {
	got, err := loadText(t, "driver = 'qemu-tcg'\nssh_key = '/keys/id'\nlog_level = 'debug'\n[vm]\nimage = 'alpine'\nvcpu = 4\nmemory = '2GiB'\ndisk = '20G'\n[network]\negress = 'default deny; allow example.org'\ndns = ['192.0.2.1']\n",
		map[string]string{"BANGER_VCPU": "2", "BANGER_DISK": "1.5G", "BANGER_QEMU": "/opt/qemu", "BANGER_DETACH_KEYS": "ctrl-p,ctrl-q", "BANGER_DNS": "127.0.0.1:5353, ::1", "BANGER_NAMES_PORT": "0", "BANGER_PORTS": "shared", "BANGER_WEB": "off"})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Driver: "qemu-tcg", QEMU: "/opt/qemu", JailerFirstUID: 2_000_000_000, LogLevel: slog.LevelDebug, DetachKeys: "ctrl-p,ctrl-q", SSHKey: "/keys/id",
		VM:      VMDefaults{Image: "alpine", VCPU: 2, Memory: 2 << 30, Disk: 3 << 29, ImageUser: true, ReadyTimeout: 180, Template: TemplateOff},
		Image:   Image{CacheMax: 10 << 30},
		Network: Network{Egress: "default deny; allow example.org", Ports: "shared", DNS: []string{"127.0.0.1:5353", "[::1]:53"}},
		Web:     Web{Listen: "off"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		env  map[string]string
		says []string
	}{
		"unknown key":        {"colour = 'red'", nil, []string{`"colour"`, "line 1"}},
		"unknown nested key": {"[vm]\nram = '1G'", nil, []string{"vm.ram", "line 2"}},
		"unknown table":      {"[network]\nx = 1", nil, []string{"network"}},
		"syntax":             {"vcpu = ", nil, []string{"line 1"}},
		"wrong type":         {"[vm]\nvcpu = 'two'", nil, []string{"vcpu"}},
		"bad size":           {"[vm]\nmemory = 'much'", nil, []string{"much"}},
		"boolean for a size": {"[vm]\nmemory = true", nil, []string{"true", "line 2", "is not a size"}},
		"fraction of a byte": {"[vm]\nmemory = 1.5", nil, []string{"1.5", "is not a size"}},
		"one byte":           {"[vm]\nmemory = 1", nil, []string{"vm.memory 1B is too small"}},
		"string for a list":  {"[network]\ndns = '1.1.1.1'", nil, []string{"line 2: network.dns", `"1.1.1.1" is not a list of strings`}},
		"numbers in a list":  {"[network]\ndns = [1]", nil, []string{"network.dns", "is not a list of strings"}},
		"list for a string":  {"driver = ['a']", nil, []string{"line 1: driver", "a list is not a string"}},
		"number for a level": {"log_level = 3", nil, []string{"log_level", "3 is not a string"}},
		"value for a table":  {"vm = 3", nil, []string{`unknown key "vm"`, "line 1"}},
		"inline table":       {"vm = {vcpu = 'x'}", nil, []string{"line 1: vm.vcpu", `"x" is not a whole number`}},
		"number too big":     {"[vm]\nvcpu = 99999999999999999999", nil, []string{"line 2"}},
		"twice":              {"driver = 'auto'\ndriver = 'auto'", nil, []string{"line 2", "driver"}},
		"files' key":         {"[[files]]\nhots = '/x'", nil, []string{"line 2", "files.hots"}},
		"files' value":       {"[[files]]\nhost = 3", nil, []string{"line 2", "files.host"}},
		"files as a value":   {"files = 3", nil, []string{"line 1", "files", "[[files]] tables"}},
		"no image":           {"[vm]\nimage = ''", nil, []string{"vm.image"}},
		"unknown variable":   {"", map[string]string{"BANGER_VM_MEMORY": "1G"}, []string{"BANGER_VM_MEMORY"}},
		"a user's uid":       {"jailer_first_uid = 1000", nil, []string{"jailer_first_uid 1000", "65536"}},
		"a last uid too far": {"jailer_first_uid = 2147483000", nil, []string{"jailer_first_uid 2147483000", "2147352576"}},
		"no time":            {"[vm]\nready_timeout = 9", nil, []string{"vm.ready_timeout 9", "10"}},
		"all the time":       {"[vm]\nready_timeout = 3601", nil, []string{"vm.ready_timeout 3601", "3600"}},
		"driver":             {"driver = 'xen'", nil, []string{"xen", "qemu-tcg"}},
		"zero CPUs":          {"[vm]\nvcpu = 0", nil, []string{"vcpu", "0"}},
		"negative memory":    {"[vm]\nmemory = '-1G'", nil, []string{"memory", "-1GiB"}},
		"zero disk":          {"[vm]\ndisk = '0'", nil, []string{"disk"}},
		"log level":          {"log_level = 'loud'", nil, []string{"loud"}},
		"variable":           {"", map[string]string{"BANGER_VCPU": "many"}, []string{"BANGER_VCPU", "many"}},
		"variable's range":   {"", map[string]string{"BANGER_VCPU": "-3"}, []string{"-3"}},
		"relative key":       {"ssh_key = 'id_ed25519'", nil, []string{"ssh_key", "id_ed25519"}},
		"egress":             {"[network]\negress = 'allow'", nil, []string{"network.egress", "allow"}},
		"ports":              {"[network]\nports = 'some'", nil, []string{"network.ports", "some"}},
		"resolver":           {"[network]\ndns = ['localhost']", nil, []string{"network.dns", "localhost"}},
		"resolver's port":    {"[network]\ndns = ['127.0.0.1:0']", nil, []string{"127.0.0.1:0"}},
		"any resolver":       {"", map[string]string{"BANGER_DNS": "0.0.0.0"}, []string{"0.0.0.0"}},
		"many resolvers":     {"", map[string]string{"BANGER_DNS": "1.1.1.1,,,,,,,,"}, []string{"9 resolvers"}},
		"names' port":        {"[network]\nnames_port = 65536", nil, []string{"names_port", "65536"}},
		"big file":           {"# " + strings.Repeat("x", maxFile), nil, []string{"larger"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadText(t, c.file, c.env)
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "TOML") || strings.Contains(err.Error(), "struct") {
				t.Errorf("%q speaks of Go", err)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("driver = 'auto'\n[vm]\nmemory = '2GiB'\n"))
	f.Add([]byte("[[vm]]\n"))
	f.Add([]byte("vm = {vcpu = 1e400}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := Default()
		if err := cfg.applyFile(data, Sources{}); err != nil && err.Error() == "" {
			t.Fatal("an error that says nothing")
		}
	})
}
