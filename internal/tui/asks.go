package tui

import (
	"context"
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
)

// maxAsking bounds the VMs that are asked for one thing at a time. An answer takes a moment,
// in which the daemon may ask the guest.
const maxAsking = 4

// askQueue are the VMs of which something may be other than is known, by ID. A guest that
// changes it all the time is asked again only once it has answered.
type askQueue struct {
	waiting []string
	asking  map[string]bool
}

func (q *askQueue) want(id string) {
	if !slices.Contains(q.waiting, id) {
		q.waiting = append(q.waiting, id)
	}
}

// next takes a VM to ask now.
func (q *askQueue) next() (id string, ok bool) {
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

func (q *askQueue) answered(id string) { delete(q.asking, id) }

// askSessions asks for all sessions of VMs that were not asked for them: the events tell of
// those that run, and of what ends from now on. It does so only where they are seen.
func (m *Model) askSessions() tea.Cmd {
	if _, seen := m.tabs[m.tab].(sessionsTab); !seen || !m.world.live {
		return nil
	}
	for id := range m.world.vms {
		if !m.world.askedSessions[id] {
			m.world.askedSessions[id] = true
			m.sessions.want(id)
		}
	}
	var all []tea.Cmd
	for id, ok := m.sessions.next(); ok; id, ok = m.sessions.next() {
		all = append(all, ask(m, func(ctx context.Context, a API) tea.Msg {
			found, err := a.ListSessions(ctx, id)
			return sessionsMsg{id, found, err}
		}))
	}
	return tea.Batch(all...)
}

type sessionsMsg struct {
	vm       string
	sessions []api.Session
	err      error
}

// takeSessions takes an answer over, and asks the next. What events told is newer.
func (m *Model) takeSessions(s sessionsMsg) tea.Cmd {
	m.sessions.answered(s.vm)
	for _, one := range s.sessions { // a VM that is gone has none
		if _, told := m.world.sessions[one.ID]; !told && m.world.vms[s.vm] != nil && over(one) == 1 {
			m.world.sessions[one.ID] = one
		}
	}
	return m.askSessions()
}

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
