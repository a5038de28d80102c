// Package gittree reads a git work tree as one tree, committed or not, and
// changes nothing in it: the index it works with is a copy, new objects go to a
// directory of their own, and no hook runs. Host and guest both do it.
package gittree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxStderr bounds what is kept of git's complaints, in bytes.
const maxStderr = 8 << 10

// stopGrace is how long git may take to end after SIGTERM.
const stopGrace = 5 * time.Second

// Git runs one git executable. Env is its whole environment; Config are
// "key=value" settings that go before all others.
type Git struct {
	Path   string
	Env    []string
	Config []string
	// Bounds are for what others have made; nil: none.
	Bounds *Bounds
	// MaxOutput bounds what Output keeps, in bytes; 0: 256 MiB.
	MaxOutput int
	// Gate has a place for each run that may go on at a time; nil: any number.
	Gate chan struct{}
}

// Cmd is one run of git.
type Cmd struct {
	Dir    string   // empty: where the process is
	Env    []string // after Git's own
	Stdin  io.Reader
	Stdout io.Writer // nil: discarded
	Stderr io.Writer // gets what an Error has, too; may be nil
	Args   []string
}

// Error is git's failure: what it said and its exit status.
type Error struct {
	Verb   string
	Status int // -1: it did not run, or a signal ended it
	Stderr string
	Cause  error
}

// Error is one line.
func (e *Error) Error() string {
	text := strings.TrimSpace(e.Stderr)
	if text == "" {
		text = e.Cause.Error()
	}
	return "git " + e.Verb + ": " + strings.ReplaceAll(text, "\n", "; ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Run runs git and waits. When ctx ends first, git is ended, with all that it
// has started.
func (g Git) Run(ctx context.Context, c Cmd) error {
	if g.Gate != nil {
		select {
		case g.Gate <- struct{}{}:
			defer func() { <-g.Gate }()
		case <-ctx.Done():
			return fmt.Errorf("git %s: %w", c.Args[0], context.Cause(ctx))
		}
	}
	var complaint bounded
	err := g.run(ctx, c, &complaint)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("git %s: %w", c.Args[0], context.Cause(ctx))
	}
	status := -1
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	}
	return &Error{Verb: c.Args[0], Status: status, Stderr: complaint.String(), Cause: err}
}

func (g Git) command(ctx context.Context, c Cmd) *exec.Cmd {
	args := make([]string, 0, 2*len(g.Config)+len(c.Args))
	for _, setting := range g.Config {
		args = append(args, "-c", setting)
	}
	args = append(args, c.Args...)
	if g.Bounds != nil {
		return g.Bounds.command(ctx, g.Path, args)
	}
	return exec.CommandContext(ctx, g.Path, args...)
}

// run runs git in its own process group, which ends with ctx.
func (g Git) run(ctx context.Context, c Cmd, complaint io.Writer) error {
	cmd := g.command(ctx, c)
	cmd.Dir = c.Dir
	cmd.Env = append(append([]string{}, g.Env...), c.Env...)
	cmd.Stdin, cmd.Stdout = c.Stdin, c.Stdout
	cmd.Stderr = complaint
	if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(complaint, c.Stderr)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	if err := cmd.Start(); err != nil {
		return err
	}
	if g.Bounds != nil {
		lower(cmd.Process.Pid)
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what git has started may not listen to SIGTERM
	}
	return err
}

// Output runs git and returns what it prints. An OutputError when that is too much.
func (g Git) Output(ctx context.Context, c Cmd) ([]byte, error) {
	out := output{most: g.MaxOutput}
	if out.most == 0 {
		out.most = maxOutput
	}
	c.Stdout = &out
	err := g.Run(ctx, c)
	if out.over {
		return nil, &OutputError{Verb: c.Args[0], Most: out.most}
	}
	return out.kept.Bytes(), err
}

// Lines runs git and returns what it prints, cut at zero bytes.
func (g Git) Lines(ctx context.Context, c Cmd) ([]string, error) {
	out, err := g.Output(ctx, c)
	return Split(out), err
}

// Split cuts a list at the zero byte that ends each item.
func Split(list []byte) []string {
	text := strings.TrimSuffix(string(list), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// Quiet are the settings with which git reads a work tree and nothing else
// happens: no hook, no daemon, no repack; an index that other programs can read.
func Quiet() []string {
	return []string{
		"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false", "core.splitIndex=false",
		"index.sparse=false", "index.version=2", "gc.auto=0", "maintenance.auto=false", "advice.addEmbeddedRepo=false",
		"core.safecrlf=false", "core.quotePath=false", "submodule.recurse=false",
	}
}

// bounded keeps the first bytes written to it. It has no ReadFrom, which would
// go past Write.
type bounded struct{ kept bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxStderr - b.kept.Len(); room > 0 {
		b.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (b *bounded) String() string { return b.kept.String() }
