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

func (sessionsTab) hints(m *Model) []string {
	k := m.keys
	return []string{k.hint(ActOpen, "attach"), k.hint(ActShell, "shell"), k.hint(ActStop, "stop"), k.hint(ActDelete, "delete")}
}

func (sessionsTab) do(m *Model, action string, ids []string) tea.Cmd {
	if len(ids) == 0 {
		return nil
	}
	s, ok := m.world.sessions[ids[0]]
	if !ok {
		return nil
	}
	switch action {
	case ActOpen:
		return attach(m, s)
	case ActShell:
		for _, v := range m.world.vms {
			if v.Name == s.VM {
				return shell(m, v)
			}
		}
	case ActStop:
		askSessions(m, ids, sessionAct{
			ask: "Stop", did: "stopping", loses: "Its programs end.", verb: act.SessionStop,
			do: func(ctx context.Context, a API, s api.Session) error {
				return second(a.StopSession(ctx, s.VM, s.ID, api.StopSession{}))
			},
		})
	case ActDelete:
		askSessions(m, ids, sessionAct{
			ask: "Delete", did: "deleted", loses: "Its output is lost.", verb: act.SessionDelete,
			do: func(ctx context.Context, a API, s api.Session) error { return a.RemoveSession(ctx, s.VM, s.ID) },
		})
	}
	return nil
}

// sessionAct is what can be done to sessions once it was asked.
type sessionAct struct {
	ask, did, loses string
	verb            act.InVM
	do              func(ctx context.Context, a API, s api.Session) error
}

// askSessions asks whether to do an act to sessions, all of them or none.
func askSessions(m *Model, ids []string, to sessionAct) {
	var all []api.Session
	var names, commands []string
	for _, id := range ids {
		if s, ok := m.world.sessions[id]; ok {
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
			var done []tea.Cmd
			for i, s := range all {
				done = append(done, do(m, to.did+" "+s.Name, commands[i], func(ctx context.Context, a API) error { return to.do(ctx, a, s) }))
			}
			return tea.Batch(done...)
		},
	})
}
