package vm_test

import (
	"context"
	"sync"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

// fakeNetwork is what a fake machine was told of its network, and says of it.
type fakeNetwork struct {
	mu         sync.Mutex
	refuse     error // what all of it is answered with
	policies   []string
	neighbours []vm.Neighbour
	told       int // how often of neighbours
	forwards   []vm.Forward
	looks      int // how often of ports; port 80 is there from the third on
}

func (m *fakeMachine) SetEgress(_ context.Context, policy string) error {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	if m.network.refuse == nil {
		m.network.policies = append(m.network.policies, policy)
	}
	return m.network.refuse
}

func (m *fakeMachine) SetNeighbours(_ context.Context, all []vm.Neighbour) error {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	if m.network.refuse == nil {
		m.network.neighbours = all
		m.network.told++
	}
	return m.network.refuse
}

func (m *fakeMachine) Stats(context.Context) (vm.Stats, error) {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	return vm.Stats{Flows: 3}, m.network.refuse
}

func (m *fakeMachine) Ports(context.Context) (vm.Ports, error) {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	m.network.looks++
	all := vm.Ports{Forwards: m.network.forwards}
	if m.network.looks > 2 {
		all.Ports = []vm.Port{{Proto: "tcp", GuestPort: 80, HostAddress: "127.0.0.1", HostPort: 80, Source: "auto"}}
	}
	return all, m.network.refuse
}

func (m *fakeMachine) AddForward(_ context.Context, f vm.Forward) (vm.Forward, error) {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	m.network.forwards = append(m.network.forwards, f)
	return f, m.network.refuse
}

func (m *fakeMachine) RemoveForward(_ context.Context, f vm.Forward) error {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	for i, have := range m.network.forwards {
		if have.Proto == f.Proto && have.Host == f.Host {
			m.network.forwards = append(m.network.forwards[:i], m.network.forwards[i+1:]...)
			return nil
		}
	}
	return fault.New(fault.NotFound, "no forward at %s", f.Host).WithHint("banger vm forward")
}

// seen returns the policy that holds in the machine, and the names of its neighbours.
func (m *fakeMachine) seen() (policy string, neighbours []string) {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	if n := len(m.network.policies); n > 0 {
		policy = m.network.policies[n-1]
	}
	for _, n := range m.network.neighbours {
		neighbours = append(neighbours, n.Name)
	}
	return policy, neighbours
}

func (m *fakeMachine) refuse(err error) {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	m.network.refuse = err
}
