package tui

import (
	"context"
	"maps"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
)

// lookEvery is how often bangerd is asked to look at a workspace. It looks only when
// somebody asks; an event then tells what has changed.
const lookEvery = 30 * time.Second

// looks are when bangerd was asked to look at each workspace, by the VM's ID. It looks at
// one at a time.
type looks struct {
	asked map[string]time.Time
	busy  bool
}

// look asks for the next look that is due.
func (m *Model) look() tea.Cmd {
	if m.looks.busy || !m.world.live { // a question would start a daemon that was stopped
		return nil
	}
	maps.DeleteFunc(m.looks.asked, func(id string, _ time.Time) bool { return m.world.vms[id] == nil })
	for id, v := range m.world.vms {
		if v.State != api.VMRunning || v.Workspace == nil || m.now.Sub(m.looks.asked[id]) < lookEvery {
			continue
		}
		if m.looks.asked == nil {
			m.looks.asked = map[string]time.Time{}
		}
		m.looks.asked[id], m.looks.busy = m.now, true
		return ask(m, func(ctx context.Context, a API) tea.Msg {
			_, _ = a.GetVM(ctx, id) // by now an event may have told something newer, and a failure is the VM's
			return lookedMsg{}
		})
	}
	return nil
}

// lookedMsg says that a look has ended.
type lookedMsg struct{}

func (m *Model) looked() tea.Cmd {
	m.looks.busy = false
	return m.look()
}

// backMsg says that the terminal UI has the terminal again.
type backMsg struct{ err error }

// resume goes on after something else had the terminal. The user may have worked there.
func (m *Model) resume(back backMsg) tea.Cmd {
	doneMsg{err: back.err}.take(m)
	m.looks.asked = nil
	return m.look()
}
