package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
)

// screen measures the terminal UI: how long it takes to its first screen, beside
// `version`, which asks the daemon too; and from the time of a change, as the event has
// it, to the screen, beside `events -f`, which prints the same.
func (b *bench) screen(ctx context.Context) error {
	if _, err := b.banger(ctx, "vm", "create", "--no-start", "--name", "first", "--image", "busybox"); err != nil {
		return err
	}
	if err := b.firstScreen(ctx); err != nil {
		return err
	}
	if err := b.changeToScreen(ctx); err != nil {
		return err
	}
	_, err := b.banger(ctx, "vm", "delete", "first")
	return err
}

const screenWait = 30 * time.Second

func (b *bench) firstScreen(ctx context.Context) error {
	ours := func() (time.Duration, error) {
		begun := time.Now()
		t, err := b.openTUI(ctx)
		if err != nil {
			return 0, err
		}
		at, err := t.see("first")
		return at.Sub(begun), errors.Join(err, t.close())
	}
	yardstick := func() (time.Duration, error) { return b.timedBanger(ctx, "version") }
	pairs, err := interleaved(max(11, b.pairs), ours, yardstick)
	if err != nil {
		return err
	}
	return b.report("tui, start to screen", "version", limitOf(100*time.Millisecond, pairs), pairs)
}

// limitOf is an absolute limit as a multiple of the yardstick.
func limitOf(limit time.Duration, pairs []pair) float64 {
	return float64(limit) / float64(median(pairs, func(p pair) time.Duration { return p.yardstick }))
}

func (b *bench) changeToScreen(ctx context.Context) error {
	t, err := b.openTUI(ctx)
	if err != nil {
		return err
	}
	if _, err := t.see("first"); err != nil {
		return errors.Join(err, t.close())
	}
	events, stop, err := b.eventLines(ctx)
	if err != nil {
		return errors.Join(err, t.close())
	}
	var pairs []pair
	name := "first"
	for i := range max(31, b.pairs) {
		to := []string{"zzzzzzzz", "wwwwwwww"}[i%2] // alike in no letter, as only those that changed are drawn
		if _, err = b.banger(ctx, "vm", "rename", name, to); err != nil {
			break
		}
		name = to
		var changed, printed, shown time.Time
		if changed, printed, err = events.next(to); err != nil {
			break
		}
		if shown, err = t.see(to); err != nil {
			break
		}
		pairs = append(pairs, pair{ours: shown.Sub(changed), yardstick: printed.Sub(changed)})
	}
	stop()
	if err = errors.Join(err, t.close()); err != nil {
		return err
	}
	if _, err := b.banger(ctx, "vm", "rename", name, "first"); err != nil {
		return err
	}
	return b.report("change to the tui's screen", "events -f", limitOf(100*time.Millisecond, pairs), pairs)
}

// lines are those of `events -f`, with the time at which each came.
type lines struct{ in chan cameAt }

type cameAt struct {
	text string
	at   time.Time
}

func (b *bench) eventLines(ctx context.Context) (*lines, func(), error) {
	ctx, stop := context.WithCancel(ctx)
	cmd := b.command(ctx, filepath.Join(b.repo, "bin", "banger"), "events", "-f", "--kind", "vm", "-o", "json")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	l := &lines{in: make(chan cameAt, 100)}
	go func() {
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			l.in <- cameAt{scan.Text(), time.Now()}
		}
		close(l.in)
	}()
	return l, func() {
		stop()
		for range l.in { // what came meanwhile
		}
		_ = cmd.Wait() // it was ended
	}, nil
}

// next waits for the change that gave a VM this name.
func (l *lines) next(name string) (changed, came time.Time, err error) {
	for {
		select {
		case line, ok := <-l.in:
			if !ok {
				return changed, came, errors.New("the events ended")
			}
			var ev struct {
				Time         time.Time
				Name, Action string
			}
			if err := json.Unmarshal([]byte(line.text), &ev); err != nil {
				return changed, came, err
			}
			if ev.Name == name && ev.Action == "changed" {
				return ev.Time, line.at, nil
			}
		case <-time.After(screenWait):
			return changed, came, fmt.Errorf("no event of %s", name)
		}
	}
}

// terminal is `banger tui` in a terminal, and what it drew.
type terminal struct {
	cmd  *exec.Cmd
	file *os.File
	done chan struct{}

	mu    sync.Mutex
	drawn strings.Builder
	at    time.Time
	news  chan struct{}
}

func (b *bench) openTUI(ctx context.Context) (*terminal, error) {
	t := &terminal{cmd: b.command(ctx, filepath.Join(b.repo, "bin", "banger"), "tui"), done: make(chan struct{}), news: make(chan struct{}, 1)}
	t.cmd.Env = append(t.cmd.Env, "TERM=xterm-256color")
	file, err := pty.StartWithSize(t.cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return nil, err
	}
	t.file = file
	go t.read()
	return t, nil
}

func (t *terminal) read() {
	defer close(t.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := t.file.Read(buf)
		t.mu.Lock()
		t.drawn.Write(buf[:n])
		t.at = time.Now()
		t.mu.Unlock()
		select {
		case t.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// see waits until text was drawn since the last call, and says when.
func (t *terminal) see(text string) (time.Time, error) {
	late := time.After(screenWait)
	for {
		t.mu.Lock()
		at := t.at
		seen := strings.Contains(t.drawn.String(), text)
		if seen {
			t.drawn.Reset()
		}
		t.mu.Unlock()
		if seen {
			return at, nil
		}
		select {
		case <-t.news:
		case <-t.done:
			return at, fmt.Errorf("the terminal UI ended without %q", text)
		case <-late:
			return at, fmt.Errorf("the terminal UI does not show %q", text)
		}
	}
}

func (t *terminal) close() error {
	if _, err := io.WriteString(t.file, "q"); err != nil {
		return err
	}
	<-t.done
	return errors.Join(t.cmd.Wait(), t.file.Close())
}
