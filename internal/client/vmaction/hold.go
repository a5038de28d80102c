package vmaction

import (
	"slices"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// Hold is where, and for how long, an egress rule that is added to a VM holds.
type Hold struct {
	ID     string        // such as "always"; unique
	Label  string        // of a choice: "Once: for 10 minutes"
	For    time.Duration // then it ends by itself; 0: it stays
	Always bool          // for VMs to come, too
	// Says is what a door says before the rule is added, as a sentence.
	Says string
}

// Holds are all of them. The first is what a door begins with.
func Holds() []Hold {
	return []Hold{
		{ID: "vm", Label: "In this VM", Says: "The rule stays in the policy of this VM until you remove it."},
		{
			ID: "once", Label: "Once: for 10 minutes", For: 10 * time.Minute,
			Says: "The rule ends by itself after 10 minutes. Connections that it allowed are cut then.",
		},
		{
			ID: "always", Label: "Always: in new VMs, too", Always: true,
			Says: "The rule stays in the policy of this VM until you remove it, and new VMs begin with it, " +
				"except those with the policy none or with rules of their own. Other VMs do not get it.",
		},
	}
}

// FindHold returns the one with this ID, or else the first.
func FindHold(id string) Hold {
	all := Holds()
	return all[max(0, slices.IndexFunc(all, func(h Hold) bool { return h.ID == id }))]
}

// Added is the request that adds a rule so.
func (h Hold) Added(rule string) api.AddEgress {
	return api.AddEgress{Rules: []string{rule}, ForSeconds: h.For.Seconds(), Always: h.Always}
}
