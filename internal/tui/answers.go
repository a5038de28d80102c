package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// askTime bounds a question that the daemon answers at once.
const askTime = 30 * time.Second

// answer is a message that knows what to do with itself.
type answer interface{ take(m *Model) }

// ask is a command that asks the daemon.
func ask(m *Model, question func(ctx context.Context, a API) tea.Msg) tea.Cmd {
	ctx, api := m.ctx, m.o.API
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		return question(ctx, api)
	}
}

// endedMsg says how something ended that takes a while. The user may have done something
// else by then.
type endedMsg struct {
	did string
	err error
}

func (e endedMsg) take(m *Model) {
	if e.err != nil {
		m.say(toneBad, sentence(e.err))
		return
	}
	m.say(toneNone, line(e.did))
}

// doneMsg says what became of something that the user did.
type doneMsg struct {
	did     string
	command string // the same as a command line
	err     error
}

func (d doneMsg) take(m *Model) {
	if d.did != "" {
		m.last = d.command
	}
	endedMsg{d.did, d.err}.take(m)
}

// do asks the daemon to do something.
func do(m *Model, did, command string, work func(ctx context.Context, a API) error) tea.Cmd {
	return ask(m, func(ctx context.Context, a API) tea.Msg {
		return doneMsg{did: did, command: command, err: work(ctx, a)}
	})
}

// worded is a hint with its acts as command lines.
func worded(h fault.Hint) string { return h.Word(cmdline.Line) }

func typed(a act.Act) string { return cmdline.Line(a) }

// refresh asks for what events do not have.
func (m *Model) refresh(old stale) tea.Cmd {
	var all []tea.Cmd
	if old.images {
		all = append(all, ask(m, func(ctx context.Context, a API) tea.Msg {
			images, err := a.ListImages(ctx)
			return imagesMsg{images, err}
		}))
	}
	if old.kernels {
		all = append(all, ask(m, func(ctx context.Context, a API) tea.Msg {
			kernels, err := a.ListKernels(ctx)
			return kernelsMsg{kernels, err}
		}))
	}
	for _, id := range old.vms {
		all = append(all, ask(m, func(ctx context.Context, a API) tea.Msg {
			v, err := a.GetVM(ctx, id)
			return vmMsg{v, err}
		}))
	}
	for _, id := range old.ports {
		m.ports.want(id)
	}
	return tea.Batch(append(all, m.askPorts())...)
}

type imagesMsg struct {
	images []api.Image
	err    error
}

func (i imagesMsg) take(m *Model) {
	if i.err != nil {
		m.say(toneBad, sentence(i.err))
		return
	}
	m.world.images = i.images
}

type kernelsMsg struct {
	kernels []api.Kernel
	err     error
}

func (k kernelsMsg) take(m *Model) {
	if k.err != nil {
		m.say(toneBad, sentence(k.err))
		return
	}
	m.world.kernels = k.kernels
}

// vmMsg is a VM that an event did not have. One that is gone has its own event.
type vmMsg struct {
	vm  api.VM
	err error
}

func (v vmMsg) take(m *Model) {
	if v.err == nil {
		m.world.takeVM(v.vm)
	}
}
