package tui

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/denied"
	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

func number(n int64) string { return strconv.FormatInt(n, 10) }

// egressSource brings the records of an egress log as lines, and keeps the denied ones.
type egressSource struct {
	records *client.EgressRecords
	stream  io.Closer
	stop    context.CancelFunc
	theme   theme
	denials *denials
}

// denials are what the lines of a log say was denied. The lines have text of the guest's, which
// is not read back. It is safe for concurrent use.
type denials struct {
	mu    sync.Mutex
	of    map[string]denied.Denial
	lines []string // of of, the oldest first, at most maxLines
}

// note keeps what a line says; of two lines that look alike, neither.
func (d *denials) note(text string, r api.EgressRecord) {
	what, ok := denied.Of(r)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if have, ok := d.of[text]; ok {
		if have != what {
			d.of[text] = denied.Denial{}
		}
		return
	}
	if len(d.lines) >= maxLines {
		delete(d.of, d.lines[0])
		d.lines = d.lines[1:]
	}
	d.of[text], d.lines = what, append(d.lines, text)
}

func (d *denials) at(text string) (denied.Denial, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what, ok := d.of[text]
	return what, ok && what != denied.Denial{}
}

func (s *egressSource) next() ([]textLine, error) {
	var lines []textLine
	for {
		r, err := s.records.Next()
		if err != nil {
			return lines, err
		}
		text := s.line(r)
		s.denials.note(text, r)
		lines = append(lines, textLine{text: text})
		if !s.records.Waiting() || len(lines) >= maxLines {
			return lines, nil
		}
	}
}

func (s *egressSource) close() {
	s.stop()
	_ = s.stream.Close()
}

// line is a record: when, what became of it, where it goes, by which rule, by whom.
func (s *egressSource) line(r api.EgressRecord) string {
	why := firstOf(r.Rule, r.Reason)
	if r.Rule != "" && r.Reason != "" {
		why += " (" + r.Reason + ")"
	}
	parts := []string{r.Time.Local().Format("15:04:05"), fmt.Sprintf("%s %-6s %s", s.theme.shape(r.Event), r.Event, target(r)), why, r.Process}
	if r.Event == "close" || r.Event == "total" {
		parts = append(parts, "sent "+fault.Bytes(r.Sent)+", received "+fault.Bytes(r.Received))
	}
	return line(strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), "  "))
}

// target is where a record's flow goes, as a rule names it: TARGET PROTOCOL/PORT.
func target(r api.EgressRecord) string {
	name := cmp.Or(r.Name, r.Said, r.Address)
	if r.Port != 0 {
		return name + " " + r.Protocol + "/" + strconv.Itoa(r.Port)
	}
	return strings.TrimSpace(name + " " + r.Protocol)
}

// openEgress shows what a VM reaches and is denied, as it happens.
func openEgress(m *Model, v *vmEntry) tea.Cmd {
	m.last = typed(act.VMEgress.On(v.Name))
	id, name := v.ID, v.Name
	known := &denials{of: map[string]denied.Denial{}}
	p := &pager{title: "Egress of " + line(name), follow: true, tones: egressTone, allow: func(m *Model, text string) { askAllow(m, id, name, known, text) }}
	m.open(p)
	ctx, stop := context.WithCancel(m.ctx)
	api, look := m.o.API, m.theme
	return func() tea.Msg {
		stream, err := api.VMEgressLog(ctx, id, client.LogOptions{Tail: tail, Follow: true})
		if err != nil {
			stop()
			return sourceMsg{of: p, err: err}
		}
		return sourceMsg{of: p, src: &egressSource{records: client.NewEgressRecords(stream), stream: stream, stop: stop, theme: look, denials: known}}
	}
}

func egressTone(text string) tone {
	if fields := strings.Fields(text); len(fields) > 2 && (fields[2] == "deny" || fields[2] == "dns") {
		return toneBad
	}
	return toneNone
}

// askAllow proposes a rule for a denied line.
func askAllow(m *Model, id, name string, known *denials, text string) {
	what, ok := known.at(text)
	if !ok {
		m.say(toneNone, "this line was not denied")
		return
	}
	rule, err := what.Proposal()
	if err != nil {
		m.say(toneBad, line(err.Error()))
		return
	}
	m.open(&allow{id: id, vm: name, denied: what, input: field("rule: ", rule)})
}

// allow is the rule to add for what was denied. It must still match that.
type allow struct {
	id, vm string
	denied denied.Denial
	input  textinput.Model
	hold   int // which of vmaction.Holds
}

func (l *allow) holds() vmaction.Hold { return vmaction.Holds()[l.hold] }

func (*allow) full() bool { return false }

func (l *allow) press(m *Model, key tea.KeyPressMsg, _ string) tea.Cmd {
	switch key.String() {
	case "esc":
		m.closeTop()
		return nil
	case "enter":
		m.closeTop()
		rule, hold := strings.TrimSpace(l.input.Value()), l.holds()
		return do(m, "added: "+rule, cmdline.Egress(l.vm, rule, hold.For, hold.Always), func(ctx context.Context, a API) error { return l.add(ctx, a, rule) })
	case "tab":
		l.hold = (l.hold + 1) % len(vmaction.Holds())
		return nil
	}
	return l.receive(m, key)
}

func (l *allow) receive(_ *Model, msg tea.Msg) tea.Cmd {
	l.input, _ = l.input.Update(msg)
	return nil
}

// add adds the rule if it lets what was denied through.
func (l *allow) add(ctx context.Context, a API, rule string) error {
	if _, err := l.denied.AllowedBy(rule); err != nil {
		return err
	}
	return second(a.AddVMEgress(ctx, l.id, l.holds().Added(rule)))
}

func (l *allow) lines(m *Model, width, _ int) []string {
	l.input.SetWidth(max(width-12, 1))
	out := []string{" " + m.theme.title.Render("Allow "+line(l.denied.String())+" for "+line(l.vm)+"?")}
	out = append(out, indented(wrapped("With the rule, everything in "+line(l.vm)+" can send anything there.", width-4))...)
	out = append(out, "  "+l.input.View())
	return append(out, indented(wrapped(l.holds().Label+". "+l.holds().Says, width-4))...)
}

func (*allow) hints(*Model) []string {
	return []string{"Enter allow", "Tab how long it holds", "Esc cancel"}
}
