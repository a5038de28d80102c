package tui

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
)

// maxAsking bounds the VMs that are asked for their ports at a time: an answer takes a
// moment, in which the daemon finds out which of them are web servers.
const maxAsking = 4

// portQueue are the VMs whose ports may be others than those known, by ID. A guest that
// opens and closes ports all the time is asked again only once it has answered.
type portQueue struct {
	waiting []string
	asking  map[string]bool
}

func (q *portQueue) want(id string) {
	if !slices.Contains(q.waiting, id) {
		q.waiting = append(q.waiting, id)
	}
}

// next takes a VM to ask now.
func (q *portQueue) next() (id string, ok bool) {
	at := slices.IndexFunc(q.waiting, func(id string) bool { return !q.asking[id] })
	if at < 0 || len(q.asking) >= maxAsking {
		return "", false
	}
	id = q.waiting[at]
	q.waiting = slices.Delete(q.waiting, at, at+1)
	if q.asking == nil {
		q.asking = map[string]bool{}
	}
	q.asking[id] = true
	return id, true
}

func (q *portQueue) answered(id string) { delete(q.asking, id) }

// askPorts asks those that wait for their turn.
func (m *Model) askPorts() tea.Cmd {
	var all []tea.Cmd
	for id, ok := m.ports.next(); ok; id, ok = m.ports.next() {
		if v := m.world.vms[id]; v == nil || v.State != api.VMRunning {
			m.ports.answered(id)
			continue
		}
		all = append(all, ask(m, func(ctx context.Context, a API) tea.Msg {
			ports, err := a.VMPorts(ctx, id)
			return portsMsg{id, ports, err}
		}))
	}
	return tea.Batch(all...)
}

type portsMsg struct {
	vm    string
	ports []api.Port
	err   error
}

// takePorts takes an answer over, and asks the next.
func (m *Model) takePorts(p portsMsg) tea.Cmd {
	m.ports.answered(p.vm)
	if v := m.world.vms[p.vm]; v != nil && v.State == api.VMRunning {
		v.ports, v.portsWhy = p.ports, ""
		if p.err != nil {
			v.ports, v.portsWhy = nil, sentence(p.err)
		}
	}
	return m.askPorts()
}
