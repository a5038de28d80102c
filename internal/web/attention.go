package web

import (
	"slices"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
)

// attention is that of the session that needs somebody most; nil: it is not known.
func (v *vmScene) attention() *api.Attention { return status.VMAttention(&v.vm, v.inOrder()) }

// attentionView is an attention on a page.
type attentionView struct {
	Class, Icon, Word string
	Needs             bool
	Age               age
	Text, Session     string
}

// viewAttention returns nil for what is not known.
func viewAttention(a *api.Attention, now time.Time) *attentionView {
	if a == nil {
		return nil
	}
	v := &attentionView{Icon: a.State, Class: a.State, Word: status.Attention(*a), Age: ageOf(now, &a.Since), Text: a.Text, Session: a.Session}
	switch a.State {
	case api.AttentionNeedsInput:
		v.Class, v.Needs, v.Icon = "needs", true, "question"
		if slices.Contains([]string{api.WhyQuestion, api.WhyApproval, api.WhyError}, a.Why) {
			v.Icon = a.Why
		}
	case api.AttentionDone:
		if a.Why == api.WhyError {
			v.Class, v.Icon = "failed", "failed"
		}
	}
	return v
}
