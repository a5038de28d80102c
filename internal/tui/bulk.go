package tui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/fault"
)

// bulk is the same done to several things, of which each may fail.
type bulk struct {
	did, kind string
	all, left int
	command   string
	failed    []string
}

func newBulk(did, kind string, all int, commands []string) *bulk {
	return &bulk{did: did, kind: kind, all: all, left: all, command: strings.Join(commands, " && ")}
}

// do asks the daemon to do it to one of them.
func (b *bulk) do(m *Model, name string, work func(ctx context.Context, a API) error) tea.Cmd {
	return ask(m, func(ctx context.Context, a API) tea.Msg { return bulkMsg{b, name, work(ctx, a)} })
}

// bulkMsg is what became of one of several.
type bulkMsg struct {
	of   *bulk
	name string
	err  error
}

// take says how they went once all have.
func (b bulkMsg) take(m *Model) {
	of := b.of
	of.left--
	m.last = of.command
	if b.err != nil {
		of.failed = append(of.failed, b.name+": "+sentence(b.err))
	}
	switch {
	case of.all == 1 && b.err != nil:
		m.say(toneBad, sentence(b.err))
	case of.all == 1:
		m.say(toneNone, line(of.did+" "+b.name))
	case of.left > 0:
	case len(of.failed) > 0:
		m.say(toneBad, line(fmt.Sprintf("%d of %d failed: %s", len(of.failed), of.all, strings.Join(of.failed, "; "))))
	default:
		m.say(toneNone, line(of.did+" "+fault.Count(of.all, of.kind)))
	}
}
