package daemon_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/daemon"
	"github.com/bangervm/banger/internal/fault"
)

func TestTwoHomesThatShareASocketDoNotMeet(t *testing.T) {
	opts := home(t)
	if _, err := autostart.Start(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	other := opts
	other.Dirs.State += "-other"
	if _, err := autostart.Ensure(t.Context(), other); !errors.Is(err, fault.Conflict) {
		t.Errorf("another home's client: %v", err)
	}
	var log bytes.Buffer
	if status := daemon.Command(&log); status != 1 || !strings.Contains(log.String(), "another state directory") {
		t.Errorf("another home's daemon: status %d, %s", status, log.String())
	}
	c := opts.Client()
	defer c.Close()
	if _, err := c.Ping(t.Context()); err != nil {
		t.Errorf("the daemon that was there: %v", err)
	}
}
