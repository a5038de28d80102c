package command

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command/commandtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a script to its end, as all that starts commands does.
func run(t *testing.T, script string, terminal *Size) (output string) {
	t.Helper()
	me := account.Account{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	files, err := OpenFiles(me, true, terminal)
	if err != nil {
		t.Fatal(err)
	}
	proc, err := files.Start(Spec{
		Argv: []string{"sh", "-c", script}, Dir: "/", User: me, TTY: terminal != nil, Env: []string{"PATH=" + DefaultPath},
	})
	if err != nil {
		t.Fatal(err)
	}
	var said [2]strings.Builder
	status, _, err := files.Attend(proc, Copies{Out: func(i int, o *Output) {
		buf := make([]byte, 4096)
		if err := o.Each(buf, func(n int) error { said[i].Write(buf[:n]); return nil }); err != nil {
			t.Error(err)
		}
	}})
	if err != nil || status != 0 {
		t.Errorf("status %d, %v", status, err)
	}
	files.Release()
	return said[0].String()
}

func TestWhatACommandLeftRunningGoesOnWriting(t *testing.T) {
	for name, tc := range map[string]struct {
		prefix, redirection string
		terminal            *Size
	}{
		"stdout":                           {},
		"stderr only":                      {redirection: ">&2"},
		"both":                             {redirection: "2>&1"},
		"nohup":                            {prefix: "nohup"},
		"a session of its own":             {prefix: "setsid"},
		"off a terminal":                   {prefix: "trap '' HUP;", redirection: ">/dev/null 2>&1 </dev/null", terminal: &Size{}},
		"no output of the agent's at all":  {redirection: ">/dev/null 2>&1"},
		"in the background of a subshell ": {redirection: "| cat"},
	} {
		t.Run(name, func(t *testing.T) {
			left := commandtest.NewLeftover(t)
			if said := run(t, left.Script(tc.prefix, tc.redirection), tc.terminal); !strings.Contains(said, "started") {
				t.Errorf("the command said %q", said)
			}
			if !left.Survives() {
				t.Error("it died at its first output")
			}
		})
	}
}

// A bound on the pipes that are kept, so that a guest cannot take all of the
// agent's descriptors with them.
func TestPipesOfLeftoversAreBounded(t *testing.T) {
	d := drains{limit: 2}
	writers := make([]*os.File, 3)
	for i := range writers {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		writers[i] = w
		d.drain(r)
	}
	for i, w := range writers {
		_, err := w.Write(make([]byte, 1<<20))
		if kept := err == nil; kept != (i < 2) {
			t.Errorf("pipe %d: %v", i, err)
		}
	}
	for _, w := range writers {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	r, w, err := os.Pipe() // there is room again once the others have ended
	if err != nil {
		t.Fatal(err)
	}
	for {
		d.mu.Lock()
		open := d.open
		d.mu.Unlock()
		if open == 0 {
			break
		}
		runtime.Gosched()
	}
	d.drain(r)
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
