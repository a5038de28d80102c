package config

import (
	"errors"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
)

// others is a value for each key that is not its default.
var others = map[string]string{
	"driver": "qemu-tcg", "qemu": "/opt/qemu", "firecracker_bin": "/opt/fc", "jailer": "true", "jailer_first_uid": "1900000000", "log_level": "debug", "detach_keys": "ctrl-p,ctrl-q", "ssh_key": "/keys/id",
	"vm.image": "alpine", "vm.kernel": "k", "vm.vcpu": "3", "vm.memory": "2GiB", "vm.disk": "20GiB", "vm.image_user": "false", "vm.console": "true", "vm.ready_timeout": "600", "vm.template": "auto", "image.cache_max": "5GiB",
	"network.egress": "none", "network.ports": "shared", "network.dns": "192.0.2.1:53,192.0.2.2:53", "network.names_port": "0", "web.listen": "off", "web.roots": "/srv/a,/srv/b",
}

// TestEveryKeyByEveryWay walks the table: the file, the variable over it, the
// source that is told, and the way to the daemon.
func TestEveryKeyByEveryWay(t *testing.T) {
	for _, key := range Keys() {
		t.Run(key.Name, func(t *testing.T) {
			want, ok := others[key.Name]
			if !ok {
				t.Fatal("this test has no value for the key")
			}
			changed := Default()
			if err := key.set(&changed, want); err != nil {
				t.Fatal(err)
			}
			file := key.Name + " = " + key.TOML(changed)
			path := t.TempDir() + "/config.toml"
			if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			got, from, err := load(path, nil)
			if err != nil || key.Value(got) != want || from[key.Name] != FromFile {
				t.Errorf("by %q: %q from %q, %v", file, key.Value(got), from[key.Name], err)
			}
			got, from, err = load(path, []string{key.Env + "=" + key.Value(Default())})
			if key.Value(Default()) != "" && (err != nil || key.Value(got) != key.Value(Default()) || from[key.Name] != key.Env) {
				t.Errorf("the variable over the file: %q from %q, %v", key.Value(got), from[key.Name], err)
			}
			if got, from, err = load("/none", []string{key.Env + "=" + want}); err != nil || key.Value(got) != want || from[key.Name] != key.Env {
				t.Errorf("by the variable: %q from %q, %v", key.Value(got), from[key.Name], err)
			}
			text, err := got.Encode("")
			if err != nil {
				t.Fatal(err)
			}
			sent, _, err := Decode(text)
			if key.Side == SideClient {
				want = key.Value(Default())
			}
			if err != nil || key.Value(sent) != want {
				t.Errorf("sent: %q, %v, want %q", key.Value(sent), err, want)
			}
		})
	}
}

func TestExamplesAreValid(t *testing.T) {
	for _, key := range Keys() {
		table, _, nested := strings.Cut(key.Name, ".")
		file := key.Example
		if nested {
			file = "[" + table + "]\n" + file
		}
		if _, err := loadText(t, file, nil); err != nil {
			t.Errorf("%s: %v", key.Name, err)
		}
	}
}

func TestUnknownNamesTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"BANGER_VM_MEMORY": "BANGER_MEMORY", "BANGER_EGRES": "BANGER_EGRESS", "BANGER_SOCK": "BANGER_SOCKET", "BANGER_CPUS": "BANGER_VCPU",
	} {
		if _, _, err := load("/none", []string{name + "=1"}); !errors.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err).String(), want+"?") {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err).String())
		}
	}
	for name, want := range map[string]string{"egress": "network.egress", "vm.mem": "vm.memory", "driverr": "driver", "file": "files"} {
		_, err := loadText(t, name+" = 'x'", nil)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err).String(), want+"?") {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err).String())
		}
	}
	for _, name := range []string{"foo", "x", "qqqqqq", "vm.zzzzzzzzz"} {
		if _, err := loadText(t, name+" = 'x'", nil); !errors.Is(err, fault.Invalid) || strings.Contains(fault.HintOf(err).String(), "did you mean") {
			t.Errorf("%s: %v, hint %q; nothing is near", name, err, fault.HintOf(err).String())
		}
	}
	if _, _, err := load("/none", []string{"BANGER_FOO=1"}); !errors.Is(err, fault.Invalid) || strings.Contains(fault.HintOf(err).String(), "did you mean") {
		t.Errorf("BANGER_FOO: %v, hint %q; nothing is near", err, fault.HintOf(err).String())
	}
	for key, want := range map[string]string{"hots": "did you mean files.host?", "zzzz": "the keys of files are preset, host, guest, mode"} {
		if _, err := loadText(t, "[[files]]\n"+key+" = 'x'\n", nil); !errors.Is(err, fault.Invalid) || fault.HintOf(err).String() != want {
			t.Errorf("files.%s: %v, hint %q", key, err, fault.HintOf(err).String())
		}
	}
	for _, fine := range []string{"BANGER_TEST_X=1", "BANGER_E2E_X=1", "BANGER_READY_FD=3", "BANGER_FIRECRACKER_SPEC=/x", "BANGER_SOCKET=/x", "BANGER_AGENT=/x", "BANGER_TYPO=", "BANGERS=1"} {
		if _, _, err := load("/none", []string{fine}); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

func TestFilesReachTheDaemon(t *testing.T) {
	cfg, err := loadText(t, "[[files]]\nhost = '/é'\nguest = '/x'\nmode = '0640'\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := cfg.Encode("/a/gent")
	if err != nil {
		t.Fatal(err)
	}
	sent, agent, err := Decode(text)
	if diff := cmp.Diff(cfg, sent); diff != "" || err != nil || agent != "/a/gent" {
		t.Error(diff, err, agent)
	}
}

func TestWhatIsSentIsBoundedAndChecked(t *testing.T) {
	cfg := Default()
	cfg.Network.Egress = strings.Repeat("x", maxWire)
	if _, err := cfg.Encode(""); !errors.Is(err, fault.Invalid) {
		t.Errorf("too large: %v", err)
	}
	cfg = Default()
	cfg.VM.VCPU = -1
	text, err := cfg.Encode("")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"out of range": text, "no base64": "{", "no JSON": "e30x"} {
		if _, _, err := Decode(text); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Decode("eyJ2YWx1ZXMiOnsibmV3IjoiMSJ9fQ"); !errors.Is(err, fault.Conflict) {
		t.Errorf("a key of a newer build: %v", err)
	}
}

func TestNumbersBeyondTheHost(t *testing.T) {
	cfg := Default()
	cfg.VM.VCPU, cfg.VM.Memory = 99, 1<<40
	for source, refused := range map[string]bool{FromDefault: false, FromFile: true, "BANGER_VCPU": true} {
		from := Sources{"vm.vcpu": source, "vm.memory": FromDefault}
		if err := cfg.CheckHost(from, 2, 1<<30); errors.Is(err, fault.Invalid) != refused {
			t.Errorf("vm.vcpu from %s: %v", source, err)
		}
		from = Sources{"vm.vcpu": FromDefault, "vm.memory": source}
		if err := cfg.CheckHost(from, 2, 1<<30); errors.Is(err, fault.Invalid) != refused {
			t.Errorf("vm.memory from %s: %v", source, err)
		}
	}
	if err := cfg.CheckHost(Sources{"vm.vcpu": FromFile, "vm.memory": FromFile}, 0, 0); err != nil {
		t.Errorf("an unknown host: %v", err)
	}
}

var update = flag.Bool("update", false, "write docs/config.md anew")

// TestReferenceIsCurrent generates the tables of docs/config.md.
func TestReferenceIsCurrent(t *testing.T) {
	const path, begin, end = "../../docs/config.md", "<!-- keys: generated -->\n", "<!-- /keys -->\n"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no %q and %q", path, begin, end)
	}
	want := before + begin + reference() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("make config-docs writes it anew:\n%s", diff)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("| Key | Variable | Default | What it is | Setting of |\n|---|---|---|---|---|\n")
	for _, key := range Keys() {
		b.WriteString("| `" + key.Name + "` | `" + key.Env + "` | `" + key.TOML(Default()) + "` | " + key.Doc + " | " + string(key.Side) + " |\n")
	}
	b.WriteString("\n| Other variable | What it is |\n|---|---|\n")
	for _, v := range Variables() {
		b.WriteString("| `" + v.Name + "` | " + v.Doc + " |\n")
	}
	b.WriteString("\nA `config.toml` with an example of each key, none of which is needed:\n\n```toml\n")
	table := ""
	for _, nested := range []bool{false, true} {
		for _, key := range Keys() {
			name, _, ok := strings.Cut(key.Name, ".")
			if ok != nested {
				continue
			}
			if ok && name != table {
				table = name
				b.WriteString("\n[" + name + "]\n")
			}
			b.WriteString(key.Example + "\n")
		}
	}
	return b.String() + "```\n"
}

func TestTOMLIsWhatTheFileTakes(t *testing.T) {
	if got := Keys()[0].TOML(Config{VM: VMDefaults{Image: `a"b`}}); got != strconv.Quote(`a"b`) {
		t.Error(got)
	}
}
