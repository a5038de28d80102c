package tui

import (
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
)

// attentionCell says whether a session, or a VM's most urgent one, needs somebody.
func (m *Model) attentionCell(a *api.Attention) cell {
	if a == nil {
		return cell{text: m.theme.missing(), tone: toneDim}
	}
	shape, look := m.theme.attention(*a)
	return cell{text: shape + " " + line(status.Attention(*a)) + " " + status.Age(m.now, a.Since), tone: look}
}

// attention is the shape of a state of attention, and its tone. Only what needs somebody
// is loud.
func (t theme) attention(a api.Attention) (shape string, as tone) {
	pick := func(unicode, ascii string) string {
		if t.ascii {
			return ascii
		}
		return unicode
	}
	switch a.State {
	case api.AttentionNeedsInput:
		switch a.Why {
		case api.WhyApproval:
			return pick("◈", "?"), toneAttention
		case api.WhyError:
			return pick("▲", "!"), toneAttention
		}
		return pick("◆", "?"), toneAttention
	case api.AttentionWorking:
		return pick("≡", "="), toneBusy
	case api.AttentionIdle:
		return pick("◌", "-"), toneDim
	case api.AttentionDone:
		if a.Why == api.WhyError {
			return t.shape(api.VMFailed), toneBad
		}
		return t.shape(api.SessionExited), toneNone
	}
	return t.shape(""), toneNone
}
