package tui

import (
	"bytes"
	"context"
	"iter"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/creack/pty"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

const testWait = 10 * time.Second

// paper is what a terminal was sent.
type paper struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *paper) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}

var modeChange = regexp.MustCompile(`\x1b\[\?([0-9]+)([hl])`)

// modes are those that a terminal is left in, other than at its start.
func (p *paper) modes() []string {
	on := map[string]bool{"25": true}
	for _, m := range modeChange.FindAllStringSubmatch(p.text(), -1) {
		on[m[1]] = m[2] == "h"
	}
	var left []string
	for mode, set := range on {
		if set != (mode == "25") {
			left = append(left, mode)
		}
	}
	return left
}

// faulty is a model with a bug: at the key p in Update, at v in View, at c in a command,
// at b in one of several.
type faulty struct {
	*Model
	bug string
}

func (f *faulty) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	fall := func() tea.Msg { panic("a bug in " + f.bug) }
	if key, ok := msg.(tea.KeyPressMsg); ok {
		switch f.bug = key.String(); f.bug {
		case "u":
			fall()
		case "c":
			return f, fall
		case "b":
			return f, tea.Batch(func() tea.Msg { return nil }, fall)
		}
	}
	_, cmd := f.Model.Update(msg)
	return f, cmd
}

func (f *faulty) View() tea.View {
	if f.bug == "v" {
		panic("a bug in v")
	}
	return f.Model.View()
}

// answering is a fakeAPI that is there.
type answering struct{ *fakeAPI }

func (answering) Ping(context.Context) (api.Ping, error) { return api.Ping{}, nil }

// TestTheTerminalSurvivesAPanic: wherever it is, the terminal is as it was, and the error
// and the place are told.
func TestTheTerminalSurvivesAPanic(t *testing.T) {
	for where, key := range map[string]string{"Update": "u", "View": "v", "a command": "c", "one of several commands": "b", "the feed": ""} {
		t.Run(where, func(t *testing.T) {
			user, tty := terminal(t)
			before, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			shown := &paper{}
			read := make(chan struct{})
			go func() {
				defer close(read)
				_, _ = user.WriteTo(shown)
			}()
			o := Options{API: answering{&fakeAPI{}}, Terminal: &fakeTerminal{}, Bindings: bindings(), Now: time.Now, Events: func(ctx context.Context, _ func(error)) iter.Seq2[api.Event, error] {
				if key == "" {
					panic("a bug in the feed")
				}
				return func(func(api.Event, error) bool) { <-ctx.Done() }
			}}
			ctx, cancel := context.WithTimeout(t.Context(), testWait)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, cancel, &faulty{Model: New(ctx, o)}, o, tty, tty) }()
			if key != "" {
				waitFor(t, func() bool { return strings.Contains(shown.text(), "\x1b[?1049h") })
				if _, err := user.WriteString(key); err != nil {
					t.Fatal(err)
				}
			}
			err = <-ended
			if fault.CodeOf(err) != fault.Internal || !strings.Contains(err.Error(), "a bug in") {
				t.Errorf("the error is %v", err)
			}
			if after, err := term.GetState(int(tty.Fd())); err != nil || *after != *before {
				t.Errorf("the terminal's settings changed: %v", err)
			}
			_ = tty.Close()
			<-read
			if left := shown.modes(); len(left) > 0 {
				t.Errorf("modes that are not as they were: %q", left)
			}
			_, last, _ := strings.Cut(shown.text(), "\x1b[?1049l")
			if !strings.Contains(shown.text(), "run_test.go:") || key != "" && !strings.Contains(last, "run_test.go:") {
				t.Errorf("the place is not told behind the screen: %q", last)
			}
		})
	}
}

// terminal is a new one: the user's side, and the program's.
func terminal(t *testing.T) (user, tty *os.File) {
	t.Helper()
	user, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = user.Close(), tty.Close() })
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		t.Fatal(err)
	}
	return user, tty
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(testWait); !done(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not come")
		}
	}
}
