package tui

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/fault"
)

// crash is the first panic in any goroutine of the terminal UI. It ends the UI in the usual
// way, which gives the terminal back. An unrecovered one would leave the terminal raw.
type crash struct {
	end   context.CancelFunc
	mu    sync.Mutex
	value any // nil: there was none
	stack []byte
}

// catch is deferred by whatever can panic.
func (c *crash) catch() {
	value := recover()
	if value == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.value == nil {
		c.value, c.stack = value, debug.Stack()
		c.end()
	}
}

// guard is a command whose panic is caught, and those of the commands that it leads to.
func (c *crash) guard(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer c.catch()
		msg = cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for i := range batch {
				batch[i] = c.guard(batch[i])
			}
		}
		return msg
	}
}

// report is the panic as an error, and where it was; nil: there was none.
func (c *crash) report() (stack []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.value == nil {
		return nil, nil
	}
	return c.stack, fault.New(fault.Internal, "a bug in banger ended the terminal UI: %s", line(fmt.Sprint(c.value)))
}

// guarded is a model whose panics are caught. What it showed last stays until the end.
type guarded struct {
	tea.Model
	crash *crash
	shown tea.View
}

// Init is part of tea.Model.
func (g *guarded) Init() tea.Cmd {
	defer g.crash.catch()
	return g.crash.guard(g.Model.Init())
}

// Update is part of tea.Model.
func (g *guarded) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	defer g.crash.catch()
	next = g
	_, cmd = g.Model.Update(msg)
	return g, g.crash.guard(cmd)
}

// View is part of tea.Model.
func (g *guarded) View() (view tea.View) {
	defer g.crash.catch()
	view = g.shown
	g.shown = g.Model.View()
	return g.shown
}
