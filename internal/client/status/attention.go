package status

import (
	"fmt"
	"slices"

	"github.com/bangervm/banger/internal/api"
)

// Attention is the state and why, without the program's own words: "needs input
// (approval)", "done (exit 3)", "done (stopped)".
func Attention(a api.Attention) string {
	words, why := a.State, a.Why
	switch {
	case a.State == api.AttentionNeedsInput:
		words = "needs input"
	case a.Why != api.WhyError || a.State != api.AttentionDone:
	case a.Signal != "":
		why = "SIG" + a.Signal
	case a.ExitCode != nil:
		why = fmt.Sprintf("exit %d", *a.ExitCode)
	}
	if why != "" {
		words += " (" + why + ")"
	}
	return words
}

// Needs reports whether somebody has to do something. Nil: it is not known.
func Needs(a *api.Attention) bool { return a != nil && a.State == api.AttentionNeedsInput }

// CompareAttention orders attention, the most urgent first: of two that need input the
// one that says what for, of two alike the one that waits longer, and of what is done the
// latest. Nil, not known, comes last.
func CompareAttention(a, b *api.Attention) int {
	ra, rb := rankOf(a), rankOf(b)
	switch {
	case ra != rb:
		return ra - rb
	case a == nil || b == nil:
		return 0
	case Needs(a) && (a.Text == "") != (b.Text == ""):
		if a.Text != "" {
			return -1
		}
		return 1
	case a.State == api.AttentionDone:
		return b.Since.Compare(a.Since)
	}
	return a.Since.Compare(b.Since)
}

func rankOf(a *api.Attention) int {
	order := []string{api.AttentionNeedsInput, api.AttentionWorking, api.AttentionIdle, api.AttentionDone}
	if a != nil {
		if at := slices.Index(order, a.State); at >= 0 {
			return at
		}
	}
	return len(order)
}

// VMAttention is that of the most urgent session of a VM, with the session's name, as
// api.VM.Attention has it. Nil: none is known. What ended before the VM's latest start
// does not count.
func VMAttention(v *api.VM, sessions []api.Session) *api.Attention {
	if !Alive(v.State) {
		return nil
	}
	var most *api.Attention
	for _, s := range sessions {
		if s.Attention == nil || s.EndedAt != nil && v.StartedAt != nil && s.EndedAt.Before(*v.StartedAt) {
			continue
		}
		if a := *s.Attention; CompareAttention(&a, most) < 0 {
			a.Session = s.Name
			most = &a
		}
	}
	return most
}
