package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// place is where tests run: this host, or the outer VM.
type place interface {
	// kit is the kit's directory there.
	kit() string
	// run runs a command to its end, or until ctx ends.
	run(ctx context.Context, c command) error
	// renew brings a place that was lost (errLost) back, as it was at first.
	renew(ctx context.Context) error
}

// command is what runs in a place.
type command struct {
	argv []string
	env  []string
	dir  string
	user bool // as an ordinary user, where the place has root
	out  io.Writer
}

// thisHost is the host itself.
type thisHost struct{ tier *tier }

func (h *thisHost) kit() string { return h.tier.kitDir() }

func (h *thisHost) run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	return passed(cmd, c.out)
}

// renew implements place: this host is not lost.
func (h *thisHost) renew(context.Context) error { return nil }

// passed runs cmd with its output to out. In a process group of its own, cmd is
// spared the terminal's interrupt, and is told to end by the context alone.
func passed(cmd *exec.Cmd, out io.Writer) error {
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
	return nil
}
