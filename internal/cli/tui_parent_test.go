package cli

import (
	"context"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/tui"
)

// What helperEnv says runs the test binary as a parent, or a child, of the terminal UI.
const (
	helperEnv   = "BANGER_TEST_TUI_HELPER"
	helperPart  = "BANGER_TEST_TUI_PART"
	helperDrawn = "BANGER_TEST_TUI_DRAWN" // a pipe that is opened once the screen has been drawn
)

// TestTheTerminalSurvivesItsUI: wherever the terminal UI fails, or whatever ends it, the
// terminal is as it was, and what happened is told behind its screen.
func TestTheTerminalSurvivesItsUI(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		told   string
	}{
		"a panic in Update":                {1, `panic: a bug(.|\n)*tui_parent_test.go:(.|\n)*banger: a bug in banger ended the terminal UI: panic: a bug`},
		"a panic in a command":             {1, `panic: a bug(.|\n)*tui_parent_test.go:(.|\n)*banger: a bug in banger ended the terminal UI: panic: a bug`},
		"a panic in the feed":              {1, `panic: a bug(.|\n)*tui_parent_test.go:(.|\n)*banger: a bug in banger ended the terminal UI: panic: a bug`},
		"a panic in a goroutine of nobody": {1, `panic: a bug(.|\n)*tui_parent_test.go:(.|\n)*banger: a bug in banger ended the terminal UI: panic: a bug`},
		"SIGSEGV":                          {1, `banger: a bug in banger ended the terminal UI: `},
		"SIGQUIT":                          {131, `banger: the terminal UI was ended by SIGQUIT`},
		"SIGKILL":                          {137, `banger: the terminal UI was ended by SIGKILL`},
		"SIGTERM":                          {130, `^$`},
		"an exit at once":                  {7, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			user, tty, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			before, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			drawn := filepath.Join(t.TempDir(), "drawn")
			if err := syscall.Mkfifo(drawn, 0o600); err != nil {
				t.Fatal(err)
			}
			shown := make(chan string, 1)
			go func() { shown <- follow(user, drawn) }()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTUIParent$")
			cmd.Env = append(os.Environ(), helperEnv+"=parent", helperPart+"="+name, helperDrawn+"="+drawn, "TERM=xterm")
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			_ = cmd.Run() // its status is looked at
			if after, err := term.GetState(int(tty.Fd())); err != nil || *after != *before {
				t.Errorf("the terminal's settings changed: %v", err)
			}
			_ = tty.Close()
			text := <-shown
			_ = user.Close()
			if got := cmd.ProcessState.ExitCode(); got != c.status {
				t.Errorf("exit status %d, want %d", got, c.status)
			}
			if left := modesLeft(text); len(left) > 0 {
				t.Errorf("modes that are not as they were: %q", left)
			}
			_, last, began := strings.Cut(text, "\x1b[?1049h")
			_, last, ended := strings.Cut(last, "\x1b[?1049l")
			last = strings.ReplaceAll(escapes.ReplaceAllString(last, ""), "\r\n", "\n")
			if !began || !ended || !regexp.MustCompile(c.told).MatchString(last) {
				t.Errorf("behind the screen is %q, want %s", last[max(len(last)-2000, 0):], c.told)
			}
		})
	}
}

// follow is what a terminal is sent until its end. Once that has an alternate screen, it opens
// the pipe drawn.
func follow(terminal io.Reader, drawn string) string {
	var all strings.Builder
	buf := make([]byte, 32<<10)
	for told := false; ; {
		n, err := terminal.Read(buf)
		all.Write(buf[:n])
		if !told && strings.Contains(all.String(), "\x1b[?1049h") {
			told = true
			_ = os.WriteFile(drawn, nil, 0) // who does not read it has ended
		}
		if err != nil { // so ends a terminal
			return all.String()
		}
	}
}

var (
	modeChange = regexp.MustCompile(`\x1b\[\?([0-9]+)([hl])`)
	escapes    = regexp.MustCompile(`\x1b\[[<>?0-9;]*[a-zA-Z]`)
)

// modesLeft are those that a terminal that was sent text is left in, other than at its start.
func modesLeft(text string) (left []string) {
	on := map[string]bool{"25": true}
	for _, m := range modeChange.FindAllStringSubmatch(text, -1) {
		on[m[1]] = m[2] == "h"
	}
	for mode, set := range on {
		if set != (mode == "25") {
			left = append(left, mode)
		}
	}
	return left
}

// TestTUIParent is no test but the banger that was typed.
func TestTUIParent(t *testing.T) {
	if os.Getenv(helperEnv) != "parent" {
		t.Skip("run by TestTheTerminalSurvivesItsUI")
	}
	app := &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Exit: os.Exit}
	ctx, stop := app.signals.watch(t.Context(), os.Exit)
	defer stop()
	app.signals.outlive()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestTUIChild$")
	cmd.Env = append(os.Environ(), helperEnv+"=child")
	if err := app.parent(ctx, cmd); err != nil {
		app.printError(err)
		os.Exit(exitStatus(err))
	}
	os.Exit(0)
}

// TestTUIChild is no test but the banger that shows the terminal UI, and ends as it is told.
func TestTUIChild(t *testing.T) {
	if os.Getenv(helperEnv) != "child" {
		t.Skip("run by TestTheTerminalSurvivesItsUI")
	}
	app := &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, LookupEnv: os.LookupEnv, Exit: os.Exit}
	ctx, stop := app.signals.watch(t.Context(), os.Exit)
	defer stop()
	up, err := reportAt(reportFD)
	if err != nil {
		t.Fatal(err)
	}
	up.held()
	b := &broken{part: os.Getenv(helperPart)}
	err = tui.Run(ctx, tui.Options{API: b, Bindings: tuiBindings(config.TUI{}), Now: b.now, Events: b.events}, app.In, app.Out)
	up.released()
	os.Exit(exitStatus(err))
}

// broken is a daemon, and a clock, that end the terminal UI once its screen has been drawn.
type broken struct {
	tui.API
	part  string
	drawn atomic.Bool
}

func (b *broken) Ping(context.Context) (api.Ping, error) { return api.Ping{}, nil }

func (b *broken) now() time.Time {
	if b.part == "a panic in Update" && b.drawn.Load() {
		panic("a bug")
	}
	return time.Now()
}

func (b *broken) ListImages(context.Context) ([]api.Image, error) {
	if b.part == "a panic in a command" {
		panic("a bug")
	}
	return nil, nil
}

func (b *broken) ListKernels(context.Context) ([]api.Kernel, error) { return nil, nil }

func (b *broken) events(ctx context.Context, _ func(error)) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		_, _ = os.ReadFile(os.Getenv(helperDrawn))
		b.drawn.Store(true)
		switch b.part {
		case "a panic in the feed":
			panic("a bug")
		case "a panic in a goroutine of nobody":
			go panic("a bug")
		case "an exit at once":
			os.Exit(7)
		default:
			if sig := unix.SignalNum(b.part); sig != 0 {
				_ = syscall.Kill(os.Getpid(), sig)
			}
		}
		yield(api.Event{Kind: api.EventLive}, nil)
		<-ctx.Done()
	}
}
