package tui

import (
	"context"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
)

// sessionsTab has the sessions of all VMs.
type sessionsTab struct{}

func (sessionsTab) name() string { return "Sessions" }

func (sessionsTab) columns() []column {
	return []column{
		{title: "VM", grow: true}, {title: "SESSION", grow: true}, {title: "STATE"}, {title: "ATTENTION", drop: 1}, {title: "MODE", drop: 5}, {title: "COMMAND", drop: 2, grow: true}, {title: "AGE", right: true, drop: 4},
	}
}

func (sessionsTab) rows(m *Model) []row {
	var rows []row
	for _, s := range m.world.sessionsOf("") {
		state := m.theme.state(s.State)
		if s.ExitCode != nil && *s.ExitCode != 0 { // its attention says the status
			state = cell{text: m.theme.shape(api.SessionFailed) + " " + line(s.State), tone: toneBad}
		}
		rows = append(rows, row{id: s.ID, title: line(s.VM + "/" + s.Name), cells: []cell{
			{text: line(s.VM)}, {text: line(s.Name)}, state, m.attentionCell(s.Attention), {text: line(s.Mode), tone: toneDim}, {text: commandText(s.Command)}, m.theme.age(m.now, &s.CreatedAt),
		}})
	}
	return rows
}

// commandText is a session's command as it would be typed.
func commandText(words []string) string {
	typed := make([]string, len(words))
	for i, word := range words {
		typed[i] = cmdline.Word(word)
	}
	return line(strings.Join(typed, " "))
}

func (sessionsTab) detail(m *Model, id string) []string {
	s := m.world.sessions[id]
	out := []string{commandText(s.Command)}
	if s.Attention != nil && s.Attention.Text != "" {
		out = append(out, line(s.Attention.Text))
	}
	if s.LastError != "" {
		out = append(out, line(s.LastError))
	}
	return append(out, fmt.Sprintf("in %s, %d bytes of output, %d attached to read", line(firstOf(s.Dir, "/")), s.StdoutBytes+s.StderrBytes, s.Readers))
}

func (sessionsTab) empty(*Model) string {
	return "There are no sessions."
}

func (sessionsTab) deeds(m *Model, of subject) []deed {
	s, ok := m.world.sessions[of.chosen]
	if !ok {
		return nil
	}
	shell := "The VM " + line(s.VM) + " is gone."
	if v := m.world.named(s.VM); v != nil {
		shell = m.notRunning(v)
	}
	return []deed{
		{action: ActOpen, word: "attach", doc: "attach to the session"},
		{action: ActShell, word: "shell", why: shell},
		{action: ActStop, word: "stop", doc: "stop the session", why: m.noneOf(of.ids, 0, " has ended.")},
		{action: ActDelete, word: "delete", doc: "delete the session", why: m.noneOf(of.ids, 1, " is running. "+m.keys.hint(ActStop, "stops it."))},
	}
}

// noneOf says of the first of sessions what it is, if none is over as much as that.
func (m *Model) noneOf(ids []string, as int, is string) string {
	why := ""
	for _, id := range ids {
		s, ok := m.world.sessions[id]
		if ok && over(s) == as {
			return ""
		}
		if ok && why == "" {
			why = line(s.Name) + is
		}
	}
	return why
}

func (sessionsTab) do(m *Model, action string, of subject) tea.Cmd {
	s := m.world.sessions[of.chosen]
	switch action {
	case ActOpen:
		return attach(m, s)
	case ActShell:
		return shell(m, m.world.named(s.VM))
	case ActStop:
		askSessions(m, of.ids, sessionAct{
			ask: "Stop", did: "stopping", loses: "Its programs end: they are asked to, and killed after 10 s.", verb: act.SessionStop, over: 0,
			do: func(ctx context.Context, a API, s api.Session, vm string) error {
				return second(a.StopSession(ctx, vm, s.ID, api.StopSession{}))
			},
		})
	case ActDelete:
		askSessions(m, of.ids, sessionAct{
			ask: "Delete", did: "deleted", loses: "Its output is lost.", verb: act.SessionDelete, over: 1,
			do: func(ctx context.Context, a API, s api.Session, vm string) error {
				return a.RemoveSession(ctx, vm, s.ID)
			},
		})
	}
	return nil
}

// sessionAct is what can be done to sessions once it was asked.
type sessionAct struct {
	ask, did, loses string
	verb            act.InVM
	over            int // what it is for, as over says
	do              func(ctx context.Context, a API, s api.Session, vm string) error
}

// askSessions asks whether to do an act to sessions, all of them or none.
func askSessions(m *Model, ids []string, to sessionAct) {
	var all []api.Session
	var names, commands []string
	for _, id := range ids {
		if s, ok := m.world.sessions[id]; ok && over(s) == to.over {
			all, names, commands = append(all, s), append(names, line(s.Name)), append(commands, typed(to.verb.On(s.VM, s.Name)))
		}
	}
	what := "session"
	if len(all) > 1 {
		what = "sessions"
	}
	m.open(&question{
		ask: to.ask + " the " + what + " " + strings.Join(names, ", ") + "?", loses: to.loses, commands: commands, yes: strings.ToLower(to.ask),
		do: func(m *Model) tea.Cmd {
			m.list().marks = nil
			together := newBulk(to.did, "session", len(all), commands)
			var done []tea.Cmd
			for _, s := range all {
				vm := m.world.idOf(s.VM)
				done = append(done, together.do(m, s.Name, func(ctx context.Context, a API) error { return to.do(ctx, a, s, vm) }))
			}
			return tea.Batch(done...)
		},
	})
}
