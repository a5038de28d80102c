package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// pull is an image or a kernel to pull: an operation of the daemon's, which is shown here and
// can be canceled here.
type pull struct {
	of    string // what
	tab   string // where it is shown, as Tabs has it
	begin func(ctx context.Context, a API) (api.Operation, error)
}

// pullOf is what a command line pulls that needs nothing of the terminal or of the user's
// files; false: it is another.
func pullOf(words []string) (pull, bool) {
	if len(words) < 3 || words[1] != "pull" {
		return pull{}, false
	}
	switch words[0] {
	case "kernel":
		name := words[2]
		return pull{of: name, tab: "kernels", begin: func(ctx context.Context, a API) (api.Operation, error) {
			return a.PullKernel(ctx, api.PullKernel{Name: name})
		}}, len(words) == 3 && !strings.HasPrefix(name, "-")
	case "image":
		req, ok := imageToPull(words[2:])
		return pull{of: firstOf(req.Name, req.Ref), tab: "images", begin: func(ctx context.Context, a API) (api.Operation, error) {
			return a.PullImage(ctx, req)
		}}, ok
	}
	return pull{}, false
}

// imageToPull reads REF, --name NAME and --replace. References to files are not for it: they
// begin in the user's directory, or are stdin.
func imageToPull(words []string) (req api.PullImage, ok bool) {
	for i := 0; i < len(words); i++ {
		word := words[i]
		name, named := strings.CutPrefix(word, "--name=")
		switch {
		case named:
			req.Name = name
		case word == "--name" && i+1 < len(words):
			i++
			req.Name = words[i]
		case word == "--replace":
			req.Replace = true
		case strings.HasPrefix(word, "-"), req.Ref != "":
			return req, false
		default:
			req.Ref = word
		}
	}
	scheme, _, _ := strings.Cut(req.Ref, ":")
	return req, req.Ref != "" && !slices.Contains([]string{"oci", "oci-archive", "docker-archive", "tar"}, scheme)
}

// pull begins a pull.
func (m *Model) pull(p pull, command string) tea.Cmd {
	m.last = command
	return ask(m, func(ctx context.Context, a API) tea.Msg {
		op, err := p.begin(ctx, a)
		return pullMsg{p, op, err}
	})
}

// pullMsg is a pull that has begun.
type pullMsg struct {
	pull
	op  api.Operation
	err error
}

// takePull chooses the pull in its tab, and says how it ends once it does.
func (m *Model) takePull(p pullMsg) tea.Cmd {
	if p.err != nil {
		m.say(toneBad, sentence(p.err))
		return nil
	}
	if _, told := m.world.ops[p.op.ID]; !told { // its event may come later
		m.world.ops[p.op.ID] = p.op
	}
	at := slices.Index(Tabs(), p.tab)
	m.lists[at].chosen = p.op.ID
	m.say(toneNone, "pulling "+line(p.of))
	if at != m.tab {
		m.say(toneNone, "pulling "+line(p.of)+"; its progress is in the tab "+m.tabs[at].name())
	}
	ctx, a := m.ctx, m.o.API
	return func() tea.Msg {
		_, err := a.Wait(ctx, p.op.ID, nil)
		if fault.CodeOf(err) == fault.Canceled {
			return endedMsg{did: "canceled: " + p.of + " is not pulled"}
		}
		return endedMsg{did: "pulled " + p.of, err: err}
	}
}

// pulls are those in progress, by the verb that began them, which is the operation's kind.
func (w *world) pulls(verb act.Named) []api.Operation {
	return slices.DeleteFunc(w.operations(), func(op api.Operation) bool { return op.Kind != string(verb) || op.EndedAt != nil })
}

// pullRow is a pull in a table whose columns tell of what is there: what it is called and, in
// the widest column, how far it is.
func (t theme) pullRow(op api.Operation, columns []column) row {
	cells := make([]cell, len(columns))
	for i, c := range columns {
		if cells[i] = (cell{text: t.missing(), tone: toneDim}); c.grow && i > 0 {
			cells[i] = cell{text: t.shape(api.VMStarting) + " " + pulling(op), tone: toneBusy}
		}
	}
	cells[0] = cell{text: line(op.Subject)}
	return row{id: op.ID, cells: cells}
}

// pulling is how far a pull is, in few words.
func pulling(op api.Operation) string {
	s := currentStage(op)
	switch {
	case s == nil:
		return "pulling"
	case s.Total > 0:
		return fmt.Sprintf("pulling, %s %d %%", line(s.Name), s.Done*100/s.Total)
	default:
		return "pulling, " + line(s.Name)
	}
}

// cancelDeed is to cancel operations, if there are some among ids.
func (m *Model) cancelDeed(ids []string, word string) []deed {
	why, any := "", false
	for _, id := range ids {
		op, ok := m.world.ops[id]
		switch {
		case !ok:
		case op.EndedAt == nil:
			return []deed{{action: ActCancel, word: word}}
		default:
			why, any = line(op.Kind+" "+op.Subject)+" has ended.", true
		}
	}
	if !any {
		return nil
	}
	return []deed{{action: ActCancel, word: word, why: why}}
}

// cancel cancels operations that are in progress.
func (m *Model) cancel(ids []string) tea.Cmd {
	var all []tea.Cmd
	for _, id := range ids {
		op, ok := m.world.ops[id]
		if !ok || op.EndedAt != nil {
			continue
		}
		all = append(all, do(m, "canceling "+op.Kind+" "+op.Subject, "", func(ctx context.Context, a API) error { return second(a.CancelOperation(ctx, id)) }))
	}
	m.list().marks = nil
	return tea.Batch(all...)
}
