package tui

import (
	"context"
	"errors"
	"os"
	"sync"

	tea "charm.land/bubbletea/v2"
)

// Run shows the terminal UI on in and out until the user quits, or ctx ends. It leaves
// the terminal as it found it, after a panic too: that is an error then, and out has
// where it was.
func Run(ctx context.Context, o Options, in, out *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return run(ctx, cancel, New(ctx, o), o, in, out)
}

// run shows m until ctx ends, which cancel brings about.
func run(ctx context.Context, cancel context.CancelFunc, m tea.Model, o Options, in, out *os.File) error {
	fell := &crash{end: cancel}
	p := tea.NewProgram(&guarded{Model: m, crash: fell}, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	box := newMailbox()
	var running sync.WaitGroup
	running.Go(func() {
		defer fell.catch()
		feed(ctx, o, box)
	})
	running.Go(func() {
		defer fell.catch()
		for all := box.take(ctx); all != nil; all = box.take(ctx) {
			for _, msg := range all {
				p.Send(msg)
			}
		}
	})
	_, err := p.Run()
	interrupted := ctx.Err()
	cancel()
	running.Wait()
	if stack, bug := fell.report(); bug != nil {
		_, _ = out.Write(stack) // a terminal that is gone shows nothing
		return bug
	}
	if interrupted != nil {
		return interrupted
	}
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}
