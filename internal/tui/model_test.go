package tui

import (
	"context"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/denied"
	"github.com/bangervm/banger/internal/config"
)

// TestActionsAreBound: each action of the screen is one of the configuration, and the
// other way round.
func TestActionsAreBound(t *testing.T) {
	var configured []string
	for _, a := range config.TUIActions() {
		configured = append(configured, a.Name)
	}
	if got := Actions(); !slices.Equal(got, configured) {
		t.Errorf("actions %q, configured %q", got, configured)
	}
}

func TestVerbs(t *testing.T) {
	for name, tc := range map[string]struct {
		keys  string // from the first row on: api (needs somebody), old (failed), web (stopped)
		asked []string
		says  string
	}{
		"start a stopped VM":          {"Gu", []string{"start b"}, "starting web"},
		"a running VM does not start": {"u", nil, "cannot start api: it is running"},
		"stop asks":                   {"o", nil, ""},
		"stop, confirmed":             {"oy", []string{"stop a"}, "stopping api"},
		"stop, refused":               {"on", nil, ""},
		"delete a failed VM":          {"j<ctrl+d>y", []string{"delete c"}, "deleting old"},
		"enter does not confirm":      {"j<ctrl+d><enter>", nil, ""},
		"delete with work needs the name": {
			"<ctrl+d>yap<backspace>x<enter><esc>", nil, "",
		},
		"delete with work, by its name": {"<ctrl+d>api<enter>", []string{"delete a force discard"}, "deleting api"},
		"all that are marked":           {"j<space><space>u", []string{"start c", "start b"}, "starting 2 VMs"},
		"stop marked sessions":          {"2<space><space>oy", []string{"stop session a s1"}, "stopping agent"},
		"delete marked sessions":        {"2<space><space><ctrl+d>y", []string{"delete session a s2"}, "deleted test"},
		"from the menu":                 {"Gx<enter>", []string{"start b"}, "starting web"},
		"cancel an operation":           {"5c", []string{"cancel o1"}, "canceling image.pull debian"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t, 80, 24, false)
			s.send(fleet())
			s.press(tc.keys)
			if !slices.Equal(s.api.asked, tc.asked) {
				t.Errorf("asked %q, want %q", s.api.asked, tc.asked)
			}
			if !strings.Contains(s.says, tc.says) {
				t.Errorf("says %q, want %q", s.says, tc.says)
			}
		})
	}
}

// TestAConfirmationHoldsForWhatItShowed: work that appears while it is open is kept.
func TestAConfirmationHoldsForWhatItShowed(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	s.press("G<ctrl+d>")
	s.send(eventsMsg{event(api.EventWorkspace, api.ActionChanged, "b", "web", api.Workspace{State: api.WorkspaceChanged, Files: 1})})
	s.press("y")
	if want := []string{"delete b"}; !slices.Equal(s.api.asked, want) {
		t.Errorf("asked %q, want %q", s.api.asked, want)
	}
}

func TestTheTerminalIsHandedOver(t *testing.T) {
	for name, tc := range map[string]struct {
		keys, given, last, says string
	}{
		"attach":               {"<enter>", "attach a s1", "banger vm session attach api agent", ""},
		"shell":                {"s", "shell a", "banger vm ssh api", ""},
		"a stopped VM":         {"G<enter>", "", "", "web is stopped. u starts it."},
		"a session":            {"2<enter>", "attach a s1", "banger vm session attach api agent", ""},
		"a command":            {":vm show 'my box'<enter>", "command vm|show|my box", "banger vm show 'my box'", ""},
		"pull from a file":     {"3xtar:x.tar<enter>", "command image|pull|tar:x.tar", "banger image pull tar:x.tar", ""},
		"pull with more":       {"4xk --force<enter>", "command kernel|pull|k|--force", "banger kernel pull k --force", ""},
		"suspend":              {"n<ctrl+z>", "suspend", "", ""},
		"a quote that is open": {":vm show 'x<enter>", "", "", "a quote is not closed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t, 80, 24, false)
			s.send(fleet())
			s.press(tc.keys)
			if got := strings.Join(s.terminal.given, ", "); got != tc.given || s.last != tc.last || !strings.Contains(s.says, tc.says) {
				t.Errorf("given %q, last %q, says %q; want %+v", got, s.last, s.says, tc)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	names := func(s *screenTest) string {
		var all []string
		for _, r := range s.rows() {
			all = append(all, r.cells[0].text)
		}
		return strings.Join(all, " ")
	}
	s := newScreen(t, 80, 24, false)
	s.send(fleet())
	for _, step := range []struct{ keys, want string }{
		{"/we", "web"},
		{"<enter>", "web"},
		{"<esc>", "api old web"},
		{"/!we", "api old"},
		{"<esc>", "api old web"},
	} {
		if s.press(step.keys); names(s) != step.want {
			t.Errorf("after %s: %q, want %q", step.keys, names(s), step.want)
		}
	}
}

func TestALostConnection(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.send(fleet(), lostMsg{err: errRefused})
	if text := s.screen(); !strings.Contains(text, "lost the connection to bangerd") || !strings.Contains(text, "api") {
		t.Errorf("without a connection:\n%s", text)
	}
	s.send(eventsMsg{{Kind: api.EventReset}, event(api.EventVM, api.ActionPresent, "b", "web", machine("b", "web", api.VMRunning)), {Kind: api.EventLive}})
	if text := s.screen(); strings.Contains(text, "lost") || strings.Contains(text, "api") || !strings.Contains(text, "1 running") {
		t.Errorf("connected again:\n%s", text)
	}
}

func TestLogs(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.api.logs = "booting\n\x1b[2Jevil\x07\nready\n"
	s.send(fleet())
	s.press("l")
	if text := s.screen(); strings.ContainsAny(text, "\x07") || strings.Contains(text, "\x1b[2J") || !strings.Contains(text, "ready") {
		t.Errorf("the log:\n%q", text)
	}
	s.press("&boot<enter>")
	if text := s.screen(); strings.Contains(text, "ready") || !strings.Contains(text, "1 of 3 lines") {
		t.Errorf("filtered:\n%s", text)
	}
	s.press("<esc>q")
	if s.top() != nil {
		t.Error("the log is still open")
	}
}

// TestAPagerIsBounded: a guest that writes without end takes no more memory.
func TestAPagerIsBounded(t *testing.T) {
	s := newScreen(t, 80, 24, false)
	s.api.logs = strings.Repeat("x\n", 3*maxLines)
	s.send(fleet())
	s.press("l")
	p, ok := s.top().(*pager)
	if !ok || len(p.all) != maxLines || p.dropped != 2*maxLines {
		t.Errorf("%T, %d lines, %d dropped", s.top(), len(p.all), p.dropped)
	}
}

func TestEditAndAllow(t *testing.T) {
	record := `{"time":"2026-11-30T12:00:00Z","event":"deny","protocol":"tcp","said":"evil.example","address":"192.0.2.1","port":443,"rule":"deny any"}` + "\n"
	lookup := `{"time":"2026-11-30T12:00:00Z","event":"dns","name":"host","rule":"default deny"}` + "\n"
	for name, tc := range map[string]struct {
		record, keys, asked, last string
	}{
		"as proposed":        {record, "eA<enter>", "add a allow evil.example tcp/443", "banger vm egress allow api evil.example tcp/443"},
		"once":               {record, "eA<tab><enter>", "add a allow evil.example tcp/443 for 600", "banger vm egress allow api evil.example tcp/443 --for 10m"},
		"always":             {record, "eA<tab><tab><enter>", "add a allow evil.example tcp/443 always", "banger vm egress allow api evil.example tcp/443 --always"},
		"round":              {record, "eA<tab><tab><tab><enter>", "add a allow evil.example tcp/443", "banger vm egress allow api evil.example tcp/443"},
		"does not match":     {record, "eA<backspace>4<enter>", "", "banger vm egress allow api evil.example tcp/444"},
		"a guest's \"host\"": {lookup, "eA<enter>", "", "banger vm egress show api"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(t, 80, 24, false)
			s.api.egress = tc.record
			s.send(fleet())
			s.press(tc.keys)
			if asked := strings.Join(s.api.asked, "; "); asked != tc.asked {
				t.Errorf("asked %q, want %q; says %q", asked, tc.asked, s.says)
			}
			if s.last != tc.last {
				t.Errorf("the command line is %q, want %q", s.last, tc.last)
			}
		})
	}
}

// What a line says was denied is not read back from its text, in which guest names are.
func TestLinesThatLookAlike(t *testing.T) {
	d := &denials{of: map[string]denied.Denial{}}
	a := api.EgressRecord{Event: "dns", Name: "a.example"}
	d.note("line", a)
	if _, ok := d.at("line"); !ok {
		t.Error("a line is not known")
	}
	d.note("line", a)
	if _, ok := d.at("line"); !ok {
		t.Error("a line that came twice is not known")
	}
	d.note("line", api.EgressRecord{Event: "dns", Name: "b.example"})
	if what, ok := d.at("line"); ok {
		t.Errorf("one of two is %v", what)
	}
	for n := range maxLines + 10 {
		d.note(number(int64(n)), a)
	}
	if len(d.of) != maxLines || len(d.lines) != maxLines {
		t.Errorf("%d lines are kept, %d in order", len(d.of), len(d.lines))
	}
}

// TestTheWholeCommandLineIsShown holds for one that is longer than the screen is wide.
func TestTheWholeCommandLineIsShown(t *testing.T) {
	s := newScreen(t, 40, 24, false)
	s.send(fleet())
	s.press(":vm exec api -- echo one two three four five six seven eight<enter>")
	s.press("y")
	if got := strings.Join(strings.Fields(s.screen()), " "); !strings.Contains(got, "banger vm exec api -- echo one two three four five six seven eight") {
		t.Errorf("the screen:\n%s", got)
	}
	if s.press("x"); s.top() != nil {
		t.Errorf("after a key %T is there", s.top())
	}
}

func TestQuit(t *testing.T) {
	for _, keys := range []string{"q", "<ctrl+c>", "n<ctrl+c>", ":q<enter>"} {
		s := newScreen(t, 80, 24, false)
		if s.press(keys); !s.quit {
			t.Errorf("%s does not quit", keys)
		}
	}
}

func TestMailbox(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	box := newMailbox()
	box.put(ctx, api.Event{ID: "1"})
	box.say(lostMsg{})
	box.say(lostMsg{over: true})
	box.put(ctx, api.Event{ID: "2"})
	all := box.take(ctx)
	if len(all) != 3 || all[1] != tea.Msg(lostMsg{over: true}) {
		t.Errorf("took %+v", all)
	}
	for range maxPending {
		box.put(ctx, api.Event{})
	}
	cancel()
	box.put(ctx, api.Event{}) // full: it waits for ctx
	if all := box.take(t.Context()); len(all) != 1 || len(all[0].(eventsMsg)) != maxPending {
		t.Errorf("took %d messages", len(all))
	}
}
