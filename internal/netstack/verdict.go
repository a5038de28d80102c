package netstack

import (
	"fmt"
	"slices"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/vm"
)

// lapsed says of a flow that is denied that it would be allowed, had the answer by
// which the guest knows its address not expired.
func (f *flow) lapsed() string {
	if f.flow.Host || f.n.plan.virtual(f.asked.Addr()) {
		return ""
	}
	policy := f.n.currentPolicy()
	for _, was := range slices.Backward(f.n.dns.Lapsed(f.asked.Addr())) {
		then := f.flow
		then.Names = []string{was.Name}
		if policy.Decide(then).Allow {
			return fmt.Sprintf("the answer for %s expired %d s ago", was.Name, int(was.Ago.Seconds()))
		}
	}
	return ""
}

// decideLocked is the verdict on a new flow; it finds the neighbour too.
func (n *Network) decideLocked(f *flow) egress.Verdict {
	addr := f.asked.Addr()
	switch {
	case f.flow.Host || !n.plan.virtual(addr):
		return n.policyLocked().Decide(f.flow)
	}
	for i := range n.neighbours {
		if who := n.neighbours[i]; (addr == who.Address4 || addr == who.Address6) && f.protocol != protocolICMP {
			f.neighbour = &who
			return egress.Verdict{Allow: true, Rule: groundNeighbour, Name: who.Name + vm.NameSuffix}
		}
	}
	return egress.Verdict{Rule: groundVirtual}
}

// stillAllowed says whether policy allows the flow as it is; n.mu is held. One
// whose first bytes were let pass unseen cannot be shown to be allowed by a policy
// that asks for them.
func (f *flow) stillAllowed(policy egress.Policy) bool {
	if f.neighbour != nil {
		return true
	}
	verdict := policy.Decide(f.flow)
	switch {
	case !verdict.Allow || f.protocol != protocolTCP || !policy.NeedsHost(f.flow, verdict):
		return verdict.Allow
	case f.said.Speech != "":
		return policy.CheckHost(f.flow, verdict, f.said).Allow
	default:
		return f.needsHost // it will be looked at
	}
}

// says notes what the flow says of its destination, and is the verdict on it.
func (f *flow) says(said egress.Said) egress.Verdict {
	f.n.mu.Lock()
	f.said = said
	f.n.mu.Unlock()
	f.heard.Store(&said.Hosts)
	return f.would(said)
}

// would is the verdict if the flow said so.
func (f *flow) would(said egress.Said) egress.Verdict {
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	policy := f.n.policyLocked() // may be another than when the flow began
	verdict := policy.Decide(f.flow)
	if !policy.NeedsHost(f.flow, verdict) {
		return verdict
	}
	return policy.CheckHost(f.flow, verdict, said)
}
