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
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/statedir"
)

// old is a daemon of an earlier build: the real API, over nothing.
type old struct {
	api.Ping
	busy int
	stop chan struct{}
	once sync.Once
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
		UID:      os.Getuid(), PeerUID: func(net.Conn) (int, error) { return os.Getuid(), nil },
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
