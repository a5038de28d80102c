package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// operationsTab has the operations in progress, and those that ended while the screen
// was open.
type operationsTab struct{}

func (operationsTab) name() string { return "Operations" }

func (operationsTab) columns() []column {
	return []column{
		{title: "OPERATION"}, {title: "SUBJECT", grow: true}, {title: "STATE"}, {title: "STAGE", drop: 2, grow: true}, {title: "PROGRESS", right: true, drop: 1}, {title: "AGE", right: true, drop: 3},
	}
}

func (operationsTab) rows(m *Model) []row {
	var rows []row
	for _, op := range m.world.operations() {
		stage, progress := cell{text: m.theme.missing(), tone: toneDim}, cell{text: m.theme.missing(), tone: toneDim}
		if s := currentStage(op); s != nil {
			stage, progress = cell{text: line(s.Name)}, cell{text: stageProgress(*s)}
		}
		state := m.theme.state(op.State)
		if op.State == api.OperationRunning {
			state = cell{text: m.theme.shape(api.VMStarting) + " in progress", tone: toneBusy}
		}
		rows = append(rows, row{id: op.ID, title: line(op.Kind + " " + op.Subject), cells: []cell{{text: line(op.Kind)}, {text: line(op.Subject)}, state, stage, progress, m.theme.age(m.now, &op.CreatedAt)}})
	}
	return rows
}

// currentStage is the last stage of an operation; nil: it has none.
func currentStage(op api.Operation) *api.Stage {
	if len(op.Stages) == 0 {
		return nil
	}
	return &op.Stages[len(op.Stages)-1]
}

// stageProgress is how far a stage is; empty where it does not tell.
func stageProgress(s api.Stage) string {
	amount := func(n int64) string {
		if s.Unit == api.UnitBytes {
			return fault.Bytes(n)
		}
		return fmt.Sprint(n)
	}
	switch {
	case s.Total > 0:
		return fmt.Sprintf("%s of %s, %d %%", amount(s.Done), amount(s.Total), s.Done*100/s.Total)
	case s.Done > 0:
		return amount(s.Done)
	default:
		return ""
	}
}

func (operationsTab) detail(m *Model, id string) []string {
	op := m.world.ops[id]
	var out []string
	if p := op.Problem; p != nil {
		out = append(out, line(p.Message))
		if p.Hint != "" {
			out = append(out, line(p.Hint))
		}
	}
	for _, s := range slices.Backward(op.Stages) {
		out = append(out, m.theme.shape(s.State)+" "+line(s.Name+" "+s.Detail)+" "+stageProgress(s))
	}
	return out
}

func (operationsTab) empty(*Model) string { return "Nothing is in progress." }

func (operationsTab) deeds(m *Model, of subject) []deed { return m.cancelDeed(of.ids, "cancel") }

func (operationsTab) do(m *Model, _ string, of subject) tea.Cmd { return m.cancel(of.ids) }
