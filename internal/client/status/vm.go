package status

import (
	"cmp"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// Alive reports whether a VM in this state has processes on the host.
func Alive(state string) bool {
	return state != api.VMStopped && state != api.VMFailed && state != api.VMSuspended
}

// Image is what a VM's image is called, as docker shows it: one that others have taken all
// names from has <none>.
func Image(v *api.VM) string {
	if v.ImageUnnamed {
		return "<none>"
	}
	return v.Image
}

// CompareVMs orders VMs, those that need somebody first, the longest waiting of them
// first, and others by what they do and their names. Attention counts as it is in them.
func CompareVMs(a, b *api.VM) int {
	order := cmp.Compare(urgency(a), urgency(b))
	if order == 0 && urgency(a) == 0 {
		order = CompareAttention(a.Attention, b.Attention)
	}
	return cmp.Or(order, strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
}

// urgency is the lower the sooner a VM is shown: it needs input, failed, on its way,
// working, done, idle, running, paused, stopped.
func urgency(v *api.VM) int {
	const paused, stopped = 7, 8
	switch {
	case v.State == api.VMFailed:
		return 1
	case v.State == api.VMStarting, v.State == api.VMStopping:
		return 2
	case v.State == api.VMStopped:
		return stopped
	case Needs(v.Attention):
		return 0
	case v.State == api.VMPaused, v.State == api.VMSuspended:
		return paused
	case v.Attention == nil:
		return 6
	}
	return map[string]int{api.AttentionWorking: 3, api.AttentionDone: 4, api.AttentionIdle: 5}[v.Attention.State]
}

// Since is when v came into its state, as far as that is known; else nil.
func Since(v *api.VM) *time.Time {
	switch {
	case Alive(v.State):
		return v.StartedAt
	case v.StoppedAt != nil:
		return v.StoppedAt
	}
	return &v.CreatedAt
}
