package tui

import (
	"slices"

	"github.com/bangervm/banger/internal/api"
)

// attentionCell says whether a session, or a VM's most urgent one, needs somebody.
func (m *Model) attentionCell(a *api.Attention, running bool) cell {
	if a == nil || !running {
		return cell{text: m.theme.missing(), tone: toneDim}
	}
	shape, word, look := m.theme.attention(*a)
	return cell{text: shape + " " + word + " " + ago(m.now, a.Since), tone: look}
}

// attention is the shape of a state of attention, its words, and their tone. Only what
// needs somebody is loud.
func (t theme) attention(a api.Attention) (shape, word string, as tone) {
	pick := func(unicode, ascii string) string {
		if t.ascii {
			return ascii
		}
		return unicode
	}
	switch a.State {
	case api.AttentionNeedsInput:
		word = "needs input"
		if a.Why != "" {
			word += " (" + line(a.Why) + ")"
		}
		switch a.Why {
		case api.WhyApproval:
			return pick("◈", "?"), word, toneAttention
		case api.WhyError:
			return pick("▲", "!"), word, toneAttention
		}
		return pick("◆", "?"), word, toneAttention
	case api.AttentionWorking:
		return pick("≡", "="), "working", toneBusy
	case api.AttentionIdle:
		return pick("◌", "-"), "idle", toneDim
	case api.AttentionDone:
		if a.Why == api.WhyError {
			return t.shape(api.VMFailed), "done, failed", toneBad
		}
		return t.shape(api.SessionExited), "done", toneNone
	}
	return t.shape(""), line(a.State), toneNone
}

// pressing orders attention, the most urgent first.
func pressing(a *api.Attention) int {
	order := []string{api.AttentionNeedsInput, api.AttentionWorking, api.AttentionIdle, api.AttentionDone}
	if a != nil {
		if at := slices.Index(order, a.State); at >= 0 {
			return at
		}
	}
	return len(order)
}

// attention is that of a VM's most urgent session that runs; nil: none.
func (w *world) attention(vm string) *api.Attention {
	var most *api.Attention
	for _, s := range w.sessionsOf(vm) {
		if over(s) == 0 && s.Attention != nil && (most == nil || pressing(s.Attention) < pressing(most)) {
			a := *s.Attention
			a.Session = s.Name
			most = &a
		}
	}
	return most
}
