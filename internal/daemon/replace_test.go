package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/statedir"
)

// old is a daemon of an earlier build: the real API, over nothing.
type old struct {
	api.Ping
	build buildinfo.Info // as its answers have it
	scope func(ctx context.Context, sent string, changes bool) (context.Context, error)
	busy  int
	stop  chan struct{}
	once  sync.Once
}

func (o *old) ping() api.Ping { return o.Ping }

func (o *old) Active() int { return o.busy }

func (o *old) Stop() { o.once.Do(func() { close(o.stop) }) }

func (o *old) ImageDiskUsage(string) int64 { return 0 }

func (o *old) VMDiskUsage(string) int64 { return 0 }

func (o *old) HostStats(context.Context) api.HostStats { return api.HostStats{} }

type oldDaemon struct{ *old }

func (o oldDaemon) Ping(context.Context) api.Ping { return o.ping() }

// runOld serves o as a daemon does, with its lock, until it is stopped.
func runOld(t *testing.T, opts autostart.Options, o *old) {
	t.Helper()
	if err := opts.Dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(opts.Dirs.Lock())
	if ok, err := lock.TryLock(); err != nil || !ok {
		t.Fatal(ok, err)
	}
	listener, err := statedir.ListenUnix(opts.Dirs.Socket())
	if err != nil {
		t.Fatal(err)
	}
	o.stop = make(chan struct{})
	srv := server.New(t.Context(), server.Options{
		Services: server.Services{Daemon: oldDaemon{o}},
		Build:    o.build, Scope: o.scope, UID: os.Getuid(), PeerUID: func(net.Conn) (int, error) { return os.Getuid(), nil },
	})
	var ended sync.WaitGroup
	ended.Go(func() { _ = srv.Serve(listener) })
	ended.Go(func() {
		<-o.stop
		_ = srv.Shutdown(context.Background())
		_ = os.Remove(opts.Dirs.Socket())
		_ = lock.Close()
	})
	t.Cleanup(func() {
		o.Stop()
		ended.Wait()
	})
}

func TestNewerBuildReplaces(t *testing.T) {
	opts := home(t)
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	runOld(t, opts, &old{Ping: api.Ping{Protocol: api.Protocol, Version: "v1", BuiltAt: built, PID: 1}})
	opts.Self = buildinfo.Info{Version: "v2", BuiltAt: built.Add(time.Hour)}
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ping, err := c.Ping(t.Context()); err != nil || ping.Version == "v1" {
		t.Errorf("%+v, %v", ping, err)
	}
}

// A newer command line sends settings that an older daemon may not know, and its
// config.toml may have them. The daemon is replaced all the same.
func TestADaemonThatDoesNotKnowASettingIsReplaced(t *testing.T) {
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for name, connect := range map[string]func(context.Context, autostart.Options) (*client.Client, error){
		"ensured": autostart.Ensure,
		"fast": func(_ context.Context, opts autostart.Options) (*client.Client, error) {
			return autostart.Fast(opts), nil
		},
		"lasting": func(_ context.Context, opts autostart.Options) (*client.Client, error) {
			return autostart.Lasting(opts), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := home(t)
			info := buildinfo.Info{Version: "v1", BuiltAt: built}
			runOld(t, opts, &old{
				Ping: api.Ping{Protocol: api.Protocol, Version: info.Version, BuiltAt: info.BuiltAt, PID: 1}, build: info,
				scope: func(ctx context.Context, _ string, _ bool) (context.Context, error) {
					return ctx, fault.New(fault.Conflict, "this bangerd does not know the client's setting %q", "new")
				},
			})
			opts.Self = buildinfo.Info{Version: "v2", BuiltAt: built.Add(time.Hour)}
			opts.Settings = func() (string, error) { return config.Default().Encode("") }
			c, err := connect(t.Context(), opts)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.ListVMs(t.Context(), nil); err != nil {
				t.Errorf("the first request: %v", err)
			}
			if ping, err := c.Ping(t.Context()); err != nil || ping.Version == "v1" {
				t.Errorf("%+v, %v", ping, err)
			}
		})
	}
}

// What is refused by a daemon that is not older is refused once.
func TestAFastClientTrustsADaemonOfItsBuild(t *testing.T) {
	opts := home(t)
	info := buildinfo.Info{Version: "v1", BuiltAt: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	asked := 0
	runOld(t, opts, &old{
		Ping: api.Ping{Protocol: api.Protocol, Version: info.Version, BuiltAt: info.BuiltAt}, build: info,
		scope: func(ctx context.Context, _ string, _ bool) (context.Context, error) {
			asked++
			return ctx, fault.New(fault.Conflict, "no")
		},
	})
	opts.Self = info
	c := autostart.Fast(opts)
	defer c.Close()
	if _, err := c.ListVMs(t.Context(), nil); !errors.Is(err, fault.Conflict) || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

func TestOlderBuildJustTalks(t *testing.T) {
	opts := home(t)
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	runOld(t, opts, &old{Ping: api.Ping{Protocol: api.Protocol, Version: "v2", BuiltAt: built}})
	for name, self := range map[string]buildinfo.Info{
		"older": {Version: "v1", BuiltAt: built.Add(-time.Hour)}, "same": {Version: "v2", BuiltAt: built}, "undated": {Version: "devel"},
	} {
		opts.Self = self
		c, err := autostart.Ensure(t.Context(), opts)
		if err != nil {
			t.Fatal(name, err)
		}
		if ping, err := c.Ping(t.Context()); err != nil || ping.Version != "v2" {
			t.Errorf("%s: %+v, %v", name, ping, err)
		}
		c.Close()
	}
}

func TestBusyOldDaemonIsKeptWithAWarning(t *testing.T) {
	opts := home(t)
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	o := &old{Ping: api.Ping{Protocol: api.Protocol, Version: "v1", BuiltAt: built}, busy: 1}
	runOld(t, opts, o)
	var warning bytes.Buffer
	opts.Warn, opts.Self = &warning, buildinfo.Info{Version: "v2", BuiltAt: built.Add(time.Hour)}
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ping, err := c.Ping(t.Context()); err != nil || ping.Version != "v1" {
		t.Errorf("%+v, %v", ping, err)
	}
	if !strings.Contains(warning.String(), "v1") {
		t.Errorf("warning %q", warning.String())
	}
}

func TestUnfitProtocolIsRefused(t *testing.T) {
	opts := home(t)
	runOld(t, opts, &old{Ping: api.Ping{Protocol: api.Protocol - 1, Version: "v0"}})
	if _, err := autostart.Ensure(t.Context(), opts); !errors.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
}
