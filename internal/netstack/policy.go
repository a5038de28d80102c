package netstack

import (
	"github.com/bangervm/banger/internal/egress"
)

// SetPolicy replaces the policy and cuts the flows that it does not allow, and
// TCP ones of which it would have to know the host, if that was not looked at.
func (n *Network) SetPolicy(policy egress.Policy) {
	n.mu.Lock()
	n.policy = policy
	var cut []*flow
	for f := range n.flows {
		if !f.stillAllowed(policy) {
			cut = append(cut, f)
		}
	}
	n.mu.Unlock()
	for _, f := range cut {
		f.cut("the policy was changed")
	}
}

func (n *Network) currentPolicy() egress.Policy {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.policy
}
