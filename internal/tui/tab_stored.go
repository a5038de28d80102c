package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// storedTab has what VMs are made of: images or kernels, which are pulled and deleted
// alike.
type storedTab[T any] struct {
	title, kind string
	column      []column
	all         func(w *world) []T
	// id tells rows apart; label is its name for people and the daemon.
	id, label func(T) string
	cells     func(m *Model, of T) []cell
	about     func(of T) []string
	vms       func(of T) int // that use it
	pull      act.Named
	remove    act.Named
	delete    func(ctx context.Context, a API, label string) error
	makesVM   bool // the key for a new VM takes it as its image
}

func (t storedTab[T]) name() string { return t.title }

func (t storedTab[T]) columns() []column { return t.column }

func (t storedTab[T]) rows(m *Model) []row {
	var rows []row
	for _, op := range m.world.pulls(t.pull) {
		rows = append(rows, m.theme.pullRow(op, t.column))
	}
	for _, of := range t.all(m.world) {
		rows = append(rows, row{id: t.id(of), cells: t.cells(m, of)})
	}
	return rows
}

func (t storedTab[T]) find(m *Model, id string) (T, bool) {
	for _, of := range t.all(m.world) {
		if t.id(of) == id {
			return of, true
		}
	}
	var none T
	return none, false
}

func (t storedTab[T]) detail(m *Model, id string) []string {
	if of, ok := t.find(m, id); ok {
		return t.about(of)
	}
	return operationsTab{}.detail(m, id)
}

// pullCommand is the command line that pulls one, with a word for which.
func (t storedTab[T]) pullCommand() string {
	return strings.TrimPrefix(typed(t.pull.On("")), "banger ")
}

// pullBeginning is what comes before that word.
func (t storedTab[T]) pullBeginning() string {
	command := t.pullCommand()
	return command[:strings.LastIndex(command, " ")+1]
}

func (t storedTab[T]) empty(m *Model) string {
	return "There are no " + t.kind + "s. A VM pulls the one that it needs, or pull one: " + m.keys.key(ActCommand) + ", then " + t.pullCommand()
}

func (t storedTab[T]) deeds(m *Model, of subject) []deed {
	all := m.cancelDeed(of.ids, "cancel a pull")
	if _, ok := t.find(m, of.chosen); ok && t.makesVM {
		all = append(all, deed{action: ActNew, word: "new VM", doc: "create a VM of the image"})
	}
	all = append(all, deed{action: ActMenu, word: "pull…", doc: "pull one: type which"})
	why, some := "", false
	for _, id := range of.ids {
		if one, ok := t.find(m, id); ok {
			some = true
			if n := t.vms(one); n > 0 && why == "" {
				why = line(t.label(one)) + " is used by " + fault.Count(n, "VM") + "."
			}
		}
	}
	if some {
		all = append(all, deed{action: ActDelete, word: "delete", why: why})
	}
	return all
}

func (t storedTab[T]) do(m *Model, action string, of subject) tea.Cmd {
	switch action {
	case ActMenu:
		m.open(newCommand(m, t.pullBeginning()))
	case ActCancel:
		return m.cancel(of.ids)
	case ActDelete:
		t.askDelete(m, of.ids)
	}
	return nil
}

// askDelete asks whether to delete some that no VM uses.
func (t storedTab[T]) askDelete(m *Model, ids []string) {
	var labels, commands []string
	for _, id := range ids {
		of, ok := t.find(m, id)
		if !ok {
			continue
		}
		label := t.label(of)
		labels, commands = append(labels, label), append(commands, typed(t.remove.On(label)))
	}
	if len(labels) == 0 {
		return
	}
	m.open(&question{
		ask: "Delete the " + t.kind + " " + line(strings.Join(labels, ", ")) + "?", loses: "Its files are deleted. No VM uses them.", commands: commands, yes: "delete",
		do: func(m *Model) tea.Cmd {
			m.list().marks = nil
			together := newBulk("deleted", t.kind, len(labels), commands)
			var all []tea.Cmd
			for _, label := range labels {
				all = append(all, together.do(m, label, func(ctx context.Context, a API) error { return t.delete(ctx, a, label) }))
			}
			return tea.Batch(all...)
		},
	})
}
