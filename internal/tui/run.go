package tui

import (
	"context"
	"errors"
	"os"
	"sync"

	tea "charm.land/bubbletea/v2"
)

// Run shows the terminal UI on in and out until the user quits, or ctx ends. It leaves
// the terminal as it found it.
func Run(ctx context.Context, o Options, in, out *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	p := tea.NewProgram(New(ctx, o), tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	box := newMailbox()
	var running sync.WaitGroup
	running.Go(func() { feed(ctx, o, box) })
	running.Go(func() {
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
	if interrupted != nil {
		return interrupted
	}
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}
