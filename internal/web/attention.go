package web

import (
	"fmt"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// attention says whether a session needs somebody; the zero value: it is not known.
type attention struct {
	api.Attention
	exit *int
}

func attentionOf(s api.Session) attention {
	if s.Attention == nil {
		return attention{}
	}
	a := attention{Attention: *s.Attention, exit: s.ExitCode}
	a.Session = s.Name
	return a
}

func (a attention) rank() int {
	if i := slices.Index([]string{api.AttentionNeedsInput, api.AttentionWorking, api.AttentionIdle, api.AttentionDone}, a.State); i >= 0 {
		return i
	}
	return 4
}

// attention is that of the session that needs somebody most: of two alike the one
// that waits longer, but of those that are done the latest.
func (v *vmScene) attention() attention {
	var most attention
	if !isAlive(v.vm.State) {
		return most
	}
	for _, s := range v.inOrder() {
		a := attentionOf(s)
		sooner := a.rank() == most.rank() && a.Since.Before(most.Since) != (a.State == api.AttentionDone)
		if a.rank() < most.rank() || sooner {
			most = a
		}
	}
	return most
}

func (v *vmScene) needs() bool { return v.attention().State == api.AttentionNeedsInput }

// rank is the lower the more urgent: needs input, failed, on its way, working, done,
// idle, running, paused, stopped.
func (v *vmScene) rank() int {
	const after = 8
	a := v.attention()
	switch v.vm.State {
	case api.VMFailed:
		return 1
	case api.VMStarting, api.VMStopping:
		return 2
	case api.VMPaused:
		if a.State != api.AttentionNeedsInput {
			return after - 1
		}
	case api.VMStopped:
		return after
	}
	return map[string]int{api.AttentionNeedsInput: 0, api.AttentionWorking: 3, api.AttentionDone: 4, api.AttentionIdle: 5, "": 6}[a.State]
}

// attentionView is an attention on a page.
type attentionView struct {
	Class, Icon, Word string
	Needs             bool
	Age               age
	Text, Session     string
}

func (a attention) view(now time.Time) *attentionView {
	v := &attentionView{Icon: a.State, Class: a.State, Word: a.State, Age: ageOf(now, &a.Since), Text: a.Text, Session: a.Session}
	switch a.State {
	case api.AttentionNeedsInput:
		v.Class, v.Needs, v.Word, v.Icon = "needs", true, "needs input", "question"
		if slices.Contains([]string{api.WhyQuestion, api.WhyApproval, api.WhyError}, a.Why) {
			v.Icon, v.Word = a.Why, v.Word+": "+a.Why
		}
	case api.AttentionDone:
		if a.exit != nil {
			v.Word = fmt.Sprintf("done, exit %d", *a.exit)
		}
		if a.exit != nil && *a.exit != 0 || a.Why == api.WhyError {
			v.Class, v.Icon = "failed", "failed"
		}
	case "":
		return nil
	}
	return v
}
