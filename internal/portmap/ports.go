package portmap

import (
	"cmp"
	"context"
	"slices"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// Ports tells of all ports, sorted. It waits a while for what is not known yet
// about web servers; a later call knows more.
func (m *Map) Ports(ctx context.Context) monitorrpc.Ports {
	m.lookAtWebs(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	out := monitorrpc.Ports{Ports: []monitorrpc.Port{}}
	for _, e := range m.entries() {
		if e.network != "unix" {
			out.Ports = append(out.Ports, m.tell(e))
		}
	}
	for _, e := range m.forwards {
		out.Forwards = append(out.Forwards, e.forward())
	}
	slices.SortFunc(out.Ports, func(a, b monitorrpc.Port) int {
		return cmp.Or(
			compareKeys(key{a.Proto, a.GuestPort}, key{b.Proto, b.GuestPort}),
			cmp.Compare(a.Source, b.Source),
			cmp.Compare(a.HostAddress, b.HostAddress),
			cmp.Compare(a.HostPort, b.HostPort))
	})
	return out
}

func (m *Map) tell(e *entry) monitorrpc.Port {
	p := monitorrpc.Port{
		Proto: e.network, GuestPort: e.to.key.port, Source: e.source,
		Problem: e.problem, HostPort: e.at.Port(),
	}
	if e.live {
		p.HostAddress = e.at.Addr().String()
	}
	if e.to.address != "" {
		p.GuestAddress = []string{e.to.address}
	}
	if s, ok := m.sockets[e.to.key]; ok {
		p.Listening = true
		p.PID, p.Process, p.Command = s.owner.PID, s.owner.Process, s.owner.Command
		if e.to.address == "" {
			p.GuestAddress, p.Loopback = s.bound, loopbackOnly(s)
			p.Scheme = m.webs.scheme(e.to.key)
		}
	}
	return p
}
