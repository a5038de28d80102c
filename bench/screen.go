package main

import (
	"context"
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

// screen measures how long the terminal UI takes to its first screen, beside `version`, which
// asks the daemon too.
func (b *bench) screen(ctx context.Context) error {
	if _, err := b.banger(ctx, "vm", "create", "--no-start", "--name", "first", "--image", "busybox"); err != nil {
		return err
	}
	if err := b.firstScreen(ctx); err != nil {
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

// terminal is `banger tui` in a terminal, and what it drew.
type terminal struct {
	cmd  *exec.Cmd
	file *os.File
	done chan struct{}

	mu    sync.Mutex
	drawn []drawing // since the last see or forget
	news  chan struct{}
}

// drawing is what the terminal was sent at a time.
type drawing struct {
	text string
	at   time.Time
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
		t.drawn = append(t.drawn, drawing{string(buf[:n]), time.Now()})
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

// forget is for what was drawn so far.
func (t *terminal) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drawn = nil
}

// find looks for text in what was drawn, and says when all of it was.
func (t *terminal) find(text string) (at time.Time, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all strings.Builder
	for _, d := range t.drawn {
		all.WriteString(d.text)
		if strings.Contains(all.String(), text) {
			t.drawn = nil
			return d.at, true
		}
	}
	return time.Time{}, false
}

// see waits until text was drawn since the last call, and says when.
func (t *terminal) see(text string) (time.Time, error) {
	late := time.After(screenWait)
	for {
		if at, found := t.find(text); found {
			return at, nil
		}
		select {
		case <-t.news:
		case <-t.done:
			return time.Time{}, fmt.Errorf("the terminal UI ended without %q", text)
		case <-late:
			return time.Time{}, fmt.Errorf("the terminal UI does not show %q", text)
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
