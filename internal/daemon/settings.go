package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// settings are the configuration, request by request: a command's own goes
// before what this daemon was started with.
type settings struct {
	dirs  statedir.Dirs
	agent string // the guest agent's path
	level *slog.LevelVar
	// renames moves the answers for .vm to another port.
	renames func(ctx context.Context, port int)
	// rewebs moves the web console to another address.
	rewebs func(ctx context.Context, address string)

	mu     sync.Mutex
	latest config.Config // whose shared keys are in force
}

type settingsKey struct{}

// of is the configuration of the request that ctx belongs to, or else the latest.
func (s *settings) of(ctx context.Context) config.Config {
	if cfg, ok := ctx.Value(settingsKey{}).(config.Config); ok {
		return cfg
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// scope implements server.Options.Scope.
func (s *settings) scope(ctx context.Context, sent string, changes bool) (context.Context, error) {
	if sent == "" && !changes {
		return ctx, nil
	}
	cfg, agent, err := s.read(sent)
	if err != nil {
		return ctx, err
	}
	if agent != "" && agent != s.agent {
		return ctx, fault.New(fault.Conflict, "BANGER_AGENT is %s, and the running bangerd uses %s", agent, s.agent).
			WithHint("%s, then try again", act.DaemonStop.Do())
	}
	s.takeOver(ctx, cfg)
	return context.WithValue(ctx, settingsKey{}, cfg), nil
}

func (s *settings) read(sent string) (config.Config, string, error) {
	if sent != "" {
		return config.Decode(sent)
	}
	cfg, _, err := config.Load(s.dirs)
	return cfg, "", err
}

// takeOver puts in force what belongs to the daemon as a whole.
func (s *settings) takeOver(ctx context.Context, cfg config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cfg.LogLevel != s.latest.LogLevel {
		s.level.Set(cfg.LogLevel)
	}
	if cfg.Network.NamesPort != s.latest.Network.NamesPort {
		s.renames(context.WithoutCancel(ctx), cfg.Network.NamesPort)
	}
	if cfg.Web.Listen != s.latest.Web.Listen {
		s.rewebs(context.WithoutCancel(ctx), cfg.Web.Listen)
	}
	s.latest = cfg
}

// webRoots are those of the latest configuration.
func (s *settings) webRoots() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest.Web.Roots
}

func (s *settings) defaults(ctx context.Context) vm.Defaults {
	cfg := s.of(ctx)
	return vm.Defaults{
		Image: cfg.VM.Image, Kernel: cfg.VM.Kernel, VCPU: cfg.VM.VCPU,
		MemoryBytes: int64(cfg.VM.Memory), DiskBytes: int64(cfg.VM.Disk), Egress: cfg.Network.Egress, Ports: vm.PortsMode(cfg.Network.Ports),
		ImageUser: cfg.VM.ImageUser, Console: cfg.VM.Console,
	}
}

func (s *settings) catalogs(ctx context.Context) []catalog.Source {
	return s.of(ctx).CatalogSources()
}

func (s *settings) registries(ctx context.Context) image.Registries { return s.of(ctx).Access() }

func (s *settings) cacheMax(ctx context.Context) int64 { return int64(s.of(ctx).Image.CacheMax) }

func (s *settings) resolvers(ctx context.Context) []string { return s.of(ctx).Network.DNS }

func (s *settings) readyTimeout(ctx context.Context) time.Duration {
	return time.Duration(s.of(ctx).VM.ReadyTimeout) * time.Second
}

func (s *settings) sshKey(ctx context.Context) string { return s.of(ctx).SSHKey }
