package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// eventsTab has what changed while the screen was open, the newest first.
type eventsTab struct{}

func (eventsTab) name() string { return "Events" }

func (eventsTab) columns() []column {
	return []column{{title: "TIME"}, {title: "KIND"}, {title: "ACTION"}, {title: "NAME", grow: true}, {title: "DETAIL", drop: 1, grow: true}}
}

func (eventsTab) rows(m *Model) []row {
	rows := make([]row, 0, len(m.world.events))
	for _, ev := range slices.Backward(m.world.events) {
		rows = append(rows, row{id: ev.ID, cells: []cell{
			{text: ev.Time.Local().Format("15:04:05"), tone: toneDim}, {text: line(ev.Kind)}, {text: line(ev.Action), tone: toneOf(ev.Action)}, {text: eventName(ev)}, {text: eventDetail(ev)},
		}})
	}
	return rows
}

// eventLine is an event as a line of a log.
func eventLine(ev api.Event) string {
	return line(strings.Join([]string{ev.Time.Local().Format("15:04:05"), ev.Kind, ev.Action, eventName(ev), eventDetail(ev)}, "  "))
}

// eventName is what an event is about, with the VM that it is in.
func eventName(ev api.Event) string {
	name := firstOf(ev.Name, ev.Object[:min(len(ev.Object), 12)])
	if ev.VM != "" && ev.VM != name {
		name = ev.VM + "/" + name
	}
	return line(name)
}

func eventDetail(ev api.Event) string {
	switch ev.Kind {
	case api.EventVM:
		v, _ := client.EventBody[api.VM](ev)
		return line(v.State + " " + v.ExitMessage)
	case api.EventSession:
		s, _ := client.EventBody[api.Session](ev)
		return line(s.State + " " + s.LastError)
	case api.EventEgress:
		d, _ := client.EventBody[api.EgressDecision](ev)
		return target(d.EgressRecord)
	case api.EventOperation:
		op, _ := client.EventBody[api.Operation](ev)
		if s := currentStage(op); s != nil && op.EndedAt == nil {
			return line(op.Kind + ": " + s.Name)
		}
		return line(op.Kind + " " + op.State)
	default:
		return ""
	}
}

func (eventsTab) detail(*Model, string) []string { return nil }

func (eventsTab) empty(*Model) string { return "Nothing has changed since you opened this screen." }

func (eventsTab) deeds(*Model, subject) []deed {
	return []deed{{action: ActOpen, word: "as a log", doc: "show the events as a log, to search and follow"}}
}

func (t eventsTab) do(m *Model, _ string, _ subject) tea.Cmd {
	return m.openEvents()
}
