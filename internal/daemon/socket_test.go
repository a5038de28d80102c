package daemon_test

import (
	"os"
	"testing"

	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/statedir"
)

func TestTwoHomesThatShareARuntimeDirectoryDoNotMeet(t *testing.T) {
	first := home(t)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dirs, err := statedir.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	second := autostart.Options{Dirs: dirs, Bangerd: first.Bangerd}
	for _, opts := range []autostart.Options{first, second} {
		t.Setenv("XDG_STATE_HOME", opts.Dirs.State[:len(opts.Dirs.State)-len("/banger")])
		c, err := autostart.Ensure(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if ping, err := c.Ping(t.Context()); err != nil || ping.StateDir != opts.Dirs.State {
			t.Errorf("%s: %+v, %v", opts.Dirs.State, ping, err)
		}
	}
	if stopped, err := autostart.Stop(t.Context(), second, true); err != nil || !stopped {
		t.Errorf("stop the second: %v, %v", stopped, err)
	}
	// The link is the first one's, for as long as that lives.
	c := client.New(first.Dirs.SocketLink())
	t.Cleanup(c.Close)
	if ping, err := c.Ping(t.Context()); err != nil || ping.StateDir != first.Dirs.State {
		t.Errorf("by the link: %+v, %v", ping, err)
	}
}

// Without a runtime directory, as by su or cron, and after a logout has emptied
// it, commands find the same daemon.
func TestTheDaemonIsFoundWithoutARuntimeDirectory(t *testing.T) {
	opts := home(t)
	if _, err := autostart.Start(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(opts.Dirs.Runtime); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	dirs, err := statedir.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	bare := autostart.Options{Dirs: dirs, Bangerd: opts.Bangerd}
	if started, err := autostart.Start(t.Context(), bare); err != nil || started {
		t.Errorf("another was started: %v, %v", started, err)
	}
	c := bare.Client()
	t.Cleanup(c.Close)
	if _, err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
