package tui

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/config"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// bindings are the default keys, as banger tui gives them.
func bindings() []Binding {
	var all []Binding
	for _, a := range config.TUIActions() {
		keys := strings.Split(a.Keys, ",")
		for i := range keys {
			keys[i] = strings.NewReplacer("ctrl-", "ctrl+", "shift-", "shift+").Replace(keys[i])
		}
		all = append(all, Binding{Action: a.Name, Keys: keys, Doc: a.Doc})
	}
	return all
}

// screenTest is a model, with what it is made of.
type screenTest struct {
	*Model
	api      *fakeAPI
	terminal *fakeTerminal
	quit     bool
}

func newScreen(t *testing.T, width, height int, colour bool) *screenTest {
	t.Helper()
	s := &screenTest{api: &fakeAPI{}, terminal: &fakeTerminal{}}
	s.Model = New(t.Context(), Options{
		API: s.api, Terminal: s.terminal, Bindings: bindings(), Now: func() time.Time { return noon }, Dir: "/home/u", Colour: colour,
		Commands: []string{"vm show", "vm exec", "vm start", "image pull", "kernel pull", "events"},
		Defaults: Defaults{Image: "debian", VCPU: "2", Memory: "1GiB", Disk: "8GiB", Network: api.NetworkUser, Egress: "packages"},
	})
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	return s
}

// send sends messages, and does what they lead to.
func (s *screenTest) send(msgs ...tea.Msg) {
	for _, msg := range msgs {
		_, cmd := s.Update(msg)
		s.run(cmd)
	}
}

func (s *screenTest) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, cmd := range msg {
			s.run(cmd)
		}
	case tea.QuitMsg:
		s.quit = true
	case nil:
	default:
		s.send(msg)
	}
}

// press sends keys: characters, or names in angle brackets.
func (s *screenTest) press(keys string) {
	for keys != "" {
		var key tea.KeyPressMsg
		if name, rest, ok := strings.Cut(strings.TrimPrefix(keys, "<"), ">"); ok && keys[0] == '<' {
			key, keys = named(name), rest
		} else {
			r := []rune(keys)[0]
			key, keys = tea.KeyPressMsg{Code: r, Text: string(r)}, keys[len(string(r)):]
		}
		s.send(key)
	}
}

func named(name string) tea.KeyPressMsg {
	switch name {
	case "enter":
		return tea.KeyPressMsg{Code: tea.KeyEnter}
	case "esc":
		return tea.KeyPressMsg{Code: tea.KeyEscape}
	case "tab":
		return tea.KeyPressMsg{Code: tea.KeyTab}
	case "shift+tab":
		return tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift}
	case "up":
		return tea.KeyPressMsg{Code: tea.KeyUp}
	case "down":
		return tea.KeyPressMsg{Code: tea.KeyDown}
	case "right":
		return tea.KeyPressMsg{Code: tea.KeyRight}
	case "space":
		return tea.KeyPressMsg{Code: tea.KeySpace, Text: " "}
	case "backspace":
		return tea.KeyPressMsg{Code: tea.KeyBackspace}
	}
	return tea.KeyPressMsg{Code: rune(name[len(name)-1]), Mod: tea.ModCtrl}
}

func event(kind, action, id, name string, body any) api.Event {
	data, _ := json.Marshal(body)
	return api.Event{ID: "e-" + id, Time: noon, Kind: kind, Action: action, Object: id, Name: name, VM: name, VMID: id, Body: data}
}

func machine(id, name, state string) api.VM {
	started := noon.Add(-4 * time.Minute)
	return api.VM{
		ID: id, Name: name, State: state, Image: "debian", VCPU: 2, MemoryBytes: 1 << 30, DiskBytes: 8 << 30, Driver: "qemu-tcg",
		Network: api.NetworkUser, Egress: "packages", CreatedAt: started, StartedAt: &started, StoppedAt: &started,
		BootTimeline: &api.BootTimeline{How: "cold", Driver: "qemu-tcg", MonitorMS: 41, VMMMS: 160, ConnectedMS: 2100, ConfiguredMS: 2600, ReadyMS: 3480},
	}
}

// fleet is the present state of a daemon with three VMs.
func fleet() eventsMsg {
	code := 1
	return eventsMsg{
		{Kind: api.EventReset, Reason: "start"},
		event(api.EventVM, api.ActionPresent, "a", "api", machine("a", "api", api.VMRunning)),
		event(api.EventVM, api.ActionPresent, "b", "web", machine("b", "web", api.VMStopped)),
		event(api.EventVM, api.ActionPresent, "c", "old", machine("c", "old", api.VMFailed)),
		event(api.EventWorkspace, api.ActionPresent, "a", "api", api.Workspace{State: api.WorkspaceChanged, Files: 3, Path: "/root/repo", Source: "/home/u/repo"}),
		event(api.EventSession, api.ActionPresent, "s1", "api", api.Session{ID: "s1", Name: "agent", VM: "api", State: api.SessionRunning, Mode: api.SessionTTY, Command: []string{"claude", "fix it"}, Attention: &api.Attention{State: api.AttentionNeedsInput, Why: api.WhyApproval, Text: "May I run make?\x1b[2J", Since: noon.Add(-38 * time.Second)}, CreatedAt: noon.Add(-time.Hour)}),
		event(api.EventSession, api.ActionPresent, "s2", "api", api.Session{ID: "s2", Name: "test", VM: "api", State: api.SessionExited, Mode: api.SessionPipe, Command: []string{"make"}, ExitCode: &code, Attention: &api.Attention{State: api.AttentionDone, Why: api.WhyError, ExitCode: &code, Since: noon.Add(-50 * time.Minute)}, CreatedAt: noon.Add(-time.Hour)}),
		event(api.EventOperation, api.ActionPresent, "o1", "debian", api.Operation{
			ID: "o1", Kind: "image.pull", Subject: "debian", State: api.OperationRunning, CreatedAt: noon,
			Stages: []api.Stage{{Name: "layers", State: api.StageRunning, Done: 1 << 20, Total: 4 << 20, Unit: api.UnitBytes}},
		}),
		{Kind: api.EventLive},
	}
}
