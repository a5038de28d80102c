package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// started is a daemon's settings that started with the defaults.
func started(t *testing.T) (*settings, *[]int) {
	t.Helper()
	var ports []int
	return &settings{
		dirs: statedir.Dirs{Config: t.TempDir()}, agent: "/lib/agent", level: new(slog.LevelVar), latest: config.Default(),
		renames: func(_ context.Context, port int) { ports = append(ports, port) },
	}, &ports
}

func sent(t *testing.T, change func(*config.Config)) string {
	t.Helper()
	cfg := config.Default()
	change(&cfg)
	text, err := cfg.Encode("")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestACommandsConfigurationHolds walks all that bangerd decides by: a request
// brings its own, whatever came before, and another at the same time has another.
func TestACommandsConfigurationHolds(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		decide func(s *settings, ctx context.Context) any
		want   any
	}{
		"egress": {
			func(c *config.Config) { c.Network.Egress = "none" },
			func(s *settings, ctx context.Context) any { return s.defaults(ctx).Egress }, "none",
		},
		"the rest of a new VM": {
			func(c *config.Config) {
				c.VM = config.VMDefaults{Image: "alpine", Kernel: "k", VCPU: 3, Memory: 1 << 30, Disk: 2 << 30, ReadyTimeout: 180, Template: config.TemplateOff}
			},
			func(s *settings, ctx context.Context) any { return s.defaults(ctx) },
			vm.Defaults{Image: "alpine", Kernel: "k", VCPU: 3, MemoryBytes: 1 << 30, DiskBytes: 2 << 30, Egress: "all", Ports: vm.PortsAll},
		},
		"resolvers": {
			func(c *config.Config) { c.Network.DNS = []string{"192.0.2.1:53"} },
			func(s *settings, ctx context.Context) any { return s.resolvers(ctx) },
			[]string{"192.0.2.1:53"},
		},
		"time to be ready": {
			func(c *config.Config) { c.VM.ReadyTimeout = 240 },
			func(s *settings, ctx context.Context) any { return s.readyTimeout(ctx) }, 4 * time.Minute,
		},
		"key": {
			func(c *config.Config) { c.SSHKey = "/keys/id" },
			func(s *settings, ctx context.Context) any { return s.sshKey(ctx) }, "/keys/id",
		},
		"driver and QEMU": {
			func(c *config.Config) { c.Driver, c.QEMU = "qemu-tcg", "/bin/true" },
			func(s *settings, ctx context.Context) any {
				d, err := host{set: s, vmm: vmm.ThisHost()}.Driver(ctx, "", vm.DriverAsk{})
				return [2]any{d, err}
			},
			[2]any{vm.Driver{Name: "qemu-tcg", VMM: "/bin/true"}, nil},
		},
		"files": {
			func(c *config.Config) { c.Files = []config.File{{Host: "/none", Guest: "/x"}} },
			func(s *settings, ctx context.Context) any { _, notes := s.placedFiles(ctx); return len(notes) }, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := started(t)
			mine, err := s.scope(t.Context(), sent(t, c.change), true)
			if err != nil {
				t.Fatal(err)
			}
			other, err := s.scope(t.Context(), sent(t, func(*config.Config) {}), true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, c.decide(s, mine)); diff != "" {
				t.Error(diff)
			}
			if cmp.Equal(c.want, c.decide(s, other)) {
				t.Errorf("another request got %v too", c.want)
			}
		})
	}
}

func TestWhatBelongsToTheDaemonIsTakenOver(t *testing.T) {
	s, ports := started(t)
	for _, port := range []int{5300, 5400, 5400, 0} {
		if _, err := s.scope(t.Context(), sent(t, func(c *config.Config) { c.Network.NamesPort = port }), false); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]int{5400, 0}, *ports); diff != "" {
		t.Error(diff)
	}
	if _, err := s.scope(t.Context(), sent(t, func(c *config.Config) { c.LogLevel = slog.LevelDebug }), false); err != nil || s.level.Level() != slog.LevelDebug {
		t.Errorf("level %v, %v", s.level.Level(), err)
	}
}

func TestAnotherAgentStopsTheCommand(t *testing.T) {
	s, _ := started(t)
	for agent, refused := range map[string]bool{"": false, "/lib/agent": false, "/other/agent": true} {
		text, err := config.Default().Encode(agent)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.scope(t.Context(), text, false); errors.Is(err, fault.Conflict) != refused {
			t.Errorf("BANGER_AGENT=%q: %v", agent, err)
		}
	}
}

// TestOtherClientsGetTheFile: a request without a configuration changes things by
// the file as it is now.
func TestOtherClientsGetTheFile(t *testing.T) {
	s, _ := started(t)
	file := filepath.Join(s.dirs.Config, "config.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[network]\negress = 'none'\n")
	ctx, err := s.scope(t.Context(), "", true)
	if err != nil || s.defaults(ctx).Egress != "none" {
		t.Errorf("%q, %v", s.defaults(ctx).Egress, err)
	}
	write("colour = 'red'\n")
	if _, err := s.scope(t.Context(), "", true); !errors.Is(err, fault.Invalid) {
		t.Errorf("a broken file: %v", err)
	}
	if _, err := s.scope(t.Context(), "", false); err != nil {
		t.Errorf("a read beside a broken file: %v", err)
	}
	if _, err := s.scope(t.Context(), "}", false); !errors.Is(err, fault.Invalid) {
		t.Errorf("what is no configuration: %v", err)
	}
}
