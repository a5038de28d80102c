package netstack

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/egress"
)

// maxUnasked bounds how long a rule can outlast its time where the host's clock is set, or
// the host slept.
const maxUnasked = 15 * time.Second

// SetPolicy replaces the policy and cuts the flows that it does not allow, and
// TCP ones of which it would have to know the host, if that was not looked at.
// Rules with a time end by themselves.
func (n *Network) SetPolicy(policy egress.Policy) {
	n.replacePolicy("the policy was changed", func(egress.Policy) egress.Policy { return policy })
	select {
	case n.retimed <- struct{}{}:
	default:
	}
}

// replacePolicy changes the policy, leaves out what ended, and cuts the flows that are no
// longer allowed.
func (n *Network) replacePolicy(why string, change func(egress.Policy) egress.Policy) {
	n.mu.Lock()
	n.policy = change(n.policy).At(n.config.Now())
	n.policyEnd = n.policy.End()
	var cut []*flow
	for f := range n.flows {
		if !f.stillAllowed(n.policy) {
			cut = append(cut, f)
		}
	}
	n.mu.Unlock()
	for _, f := range cut {
		f.cut(why)
	}
}

// endRules takes rules out of the policy at their time, until ctx ends.
func (n *Network) endRules(ctx context.Context) {
	for n.nextEnd(ctx) {
		n.replacePolicy("the rule that allowed it ended", func(policy egress.Policy) egress.Policy { return policy })
	}
}

// nextEnd waits until it is time to look whether a rule ended; false: ctx ended.
func (n *Network) nextEnd(ctx context.Context) bool {
	n.mu.Lock()
	end := n.policyEnd
	n.mu.Unlock()
	var due <-chan time.Time
	if !end.IsZero() {
		timer := time.NewTimer(max(0, min(end.Sub(n.config.Now()), maxUnasked)))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-n.retimed:
	case <-ctx.Done():
		return false
	}
	return true
}

// currentPolicy is the policy without what ended.
func (n *Network) currentPolicy() egress.Policy {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.policyLocked()
}

func (n *Network) policyLocked() egress.Policy {
	if now := n.config.Now(); !n.policyEnd.IsZero() && !now.Before(n.policyEnd) {
		return n.policy.At(now)
	}
	return n.policy
}
