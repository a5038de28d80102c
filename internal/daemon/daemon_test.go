package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/daemon"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// asDaemon in the environment makes this test binary behave as bangerd.
const asDaemon = "BANGER_TEST_AS_DAEMON"

func TestMain(m *testing.M) {
	if os.Getenv(asDaemon) != "" {
		os.Exit(daemon.Command(os.Stderr))
	}
	os.Exit(m.Run())
}

// home makes fresh directories for this process and the daemons it starts, and
// sees to it that none of them is left.
func home(t *testing.T) autostart.Options {
	t.Helper()
	dir := t.TempDir()
	for _, key := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(key, "")
	}
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv(asDaemon, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := statedir.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	opts := autostart.Options{Dirs: dirs, Bangerd: self}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := autostart.Stop(ctx, opts, true); err != nil {
			t.Errorf("stop: %v", err)
		}
		if _, err := os.Stat(dirs.Socket()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left: %v", err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(dirs.Log())
			t.Logf("the daemon's log:\n%s", log)
		}
	})
	return opts
}

func TestStartPingStop(t *testing.T) {
	opts := home(t)
	began := time.Now()
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ping, err := c.Ping(t.Context())
	if err != nil || ping.StateDir != opts.Dirs.State || ping.PID == os.Getpid() {
		t.Fatalf("%+v, %v", ping, err)
	}
	t.Logf("first ping after %s, resident %d KiB", time.Since(began), ping.RSSBytes>>10)
	for path, want := range map[string]os.FileMode{
		opts.Dirs.Socket(): 0o600, opts.Dirs.Runtime: 0o700, opts.Dirs.State: 0o700,
		opts.Dirs.Database(): 0o600, opts.Dirs.ClientKey(): 0o600, opts.Dirs.Log(): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if started, err := autostart.Start(t.Context(), opts); err != nil || started {
		t.Errorf("a second start: %v, %v", started, err)
	}
	c.Close()
	if stopped, err := autostart.Stop(t.Context(), opts, false); err != nil || !stopped {
		t.Fatalf("stop: %v, %v", stopped, err)
	}
	if stopped, err := autostart.Stop(t.Context(), opts, false); err != nil || stopped {
		t.Errorf("stop again: %v, %v", stopped, err)
	}
}

func TestASecondDaemonIsRefused(t *testing.T) {
	opts := home(t)
	if _, err := autostart.Start(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(opts.Dirs.Lock())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if status := daemon.Command(&log); status != 1 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(log.String(), "process "+strings.TrimSpace(string(pid))) {
		t.Errorf("the log does not name process %s: %s", pid, log.String())
	}
}

func TestManyAtOnceStartOne(t *testing.T) {
	opts := home(t)
	pids := make([]int, 8)
	var all sync.WaitGroup
	for i := range pids {
		all.Go(func() {
			c, err := autostart.Ensure(t.Context(), opts)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			ping, err := c.Ping(t.Context())
			if err != nil {
				t.Error(err)
			}
			pids[i] = ping.PID
		})
	}
	all.Wait()
	for _, pid := range pids {
		if pid == 0 || pid != pids[0] {
			t.Fatalf("daemons %v", pids)
		}
	}
}

func TestKilledDaemonIsReplaced(t *testing.T) {
	opts := home(t)
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	ping, err := c.Ping(t.Context())
	c.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(ping.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(opts.Dirs.Lock())
	if _, err := lock.TryLockContext(t.Context(), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
	c, err = autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if again, err := c.Ping(t.Context()); err != nil || again.PID == ping.PID {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestStartFailureIsTold(t *testing.T) {
	opts := home(t)
	if err := opts.Dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(opts.Dirs.Config, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(opts.Dirs.ConfigFile(), []byte("colour = 'red'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := autostart.Ensure(t.Context(), opts)
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "colour") {
		t.Errorf("got %v", err)
	}
}

func TestADaemonThatDiesSilentlyIsNoticed(t *testing.T) {
	opts := home(t)
	opts.Bangerd = "/bin/false"
	if _, err := autostart.Ensure(t.Context(), opts); !errors.Is(err, fault.Unavailable) || fault.HintOf(err).String() == "" {
		t.Errorf("got %v", err)
	}
}

func TestAnotherSocketIsOnlyDialled(t *testing.T) {
	opts := home(t)
	opts.Socket = filepath.Join(t.TempDir(), "elsewhere.sock")
	if _, err := autostart.Ensure(t.Context(), opts); !errors.Is(err, client.ErrNoDaemon) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(opts.Dirs.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
}

func TestWorkEndsWithTheDaemon(t *testing.T) {
	opts := home(t)
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// A pull that waits for its input is an operation under way.
	op, err := c.PullImage(t.Context(), api.PullImage{Ref: "tar:-", Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := autostart.Stop(t.Context(), opts, false); !errors.Is(err, fault.Busy) {
		t.Fatalf("an unforced stop while busy: %v", err)
	}
	if _, err := autostart.Stop(t.Context(), opts, true); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c, err = autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	last, err := c.GetOperation(t.Context(), op.ID)
	if err != nil || last.State == "running" || last.Problem == nil {
		t.Errorf("%+v, %v", last, err)
	}
	entries, err := os.ReadDir(opts.Dirs.Images())
	if err != nil || len(entries) != 0 {
		t.Errorf("left in the images' directory: %v, %v", entries, err)
	}
}

// TestTheRunningDaemonTakesOverTheConfiguration: the real daemon, with another
// configuration than it started with.
func TestTheRunningDaemonTakesOverTheConfiguration(t *testing.T) {
	opts := home(t)
	cfg := config.Default()
	opts.Settings = func() (string, error) { return cfg.Encode("") }
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	apply := func() {
		t.Helper()
		if _, err := c.ListVMs(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	cfg.Network.NamesPort = 0
	apply()
	if ping, err := c.Ping(t.Context()); err != nil || ping.Names != "" {
		t.Errorf("names at %q, %v", ping.Names, err)
	}
	cfg.Network.NamesPort = 5353
	apply()
	if ping, err := c.Ping(t.Context()); err != nil || !strings.HasSuffix(ping.Names, ":5353") && ping.NamesProblem == "" {
		t.Errorf("names at %q, %q, %v", ping.Names, ping.NamesProblem, err)
	}
	cfg.VM.VCPU = 0
	if _, err := c.CreateVM(t.Context(), api.CreateVM{}); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "vm.vcpu") {
		t.Errorf("an invalid configuration: %v", err)
	}
}
