package tui

import (
	"context"
	"errors"
	"os"
	"sync"

	tea "charm.land/bubbletea/v2"
)

// GiveBack is what a terminal is sent after a terminal UI that ended without giving it back.
// It undoes the modes that Run sets: how keys are told, synchronized output, whole graphemes
// as cells, what is pasted in brackets, the alternate screen and the hidden cursor.
const GiveBack = "\x1b[>4m\x1b[<u\x1b[?2026l\x1b[?2027l\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[m"

// Run shows the terminal UI on in and out until the user quits, or ctx ends. It leaves
// the terminal as it found it. A panic ends the process and leaves the terminal as it is:
// the caller's parent has to give it back.
func Run(ctx context.Context, o Options, in, out *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := tea.NewProgram(New(ctx, o), tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithoutCatchPanics())
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
