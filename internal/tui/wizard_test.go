package tui

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func openWizard(t *testing.T, keys string) *screenTest {
	t.Helper()
	s := newScreen(t, 120, 30, false)
	s.send(fleet())
	s.press("n" + keys)
	return s
}

// TestTheWizardBeginsWithTheDefaults: what is left as it is stays the daemon's to choose.
func TestTheWizardBeginsWithTheDefaults(t *testing.T) {
	s := openWizard(t, "")
	text := ansi.Strip(s.screen())
	for _, want := range []string{"Image      debian", "vCPUs      2", "Memory     1GiB", "Disk       8GiB", "Network    user", "Egress     packages", "a size: 512MiB, 2GiB", "a git work tree to copy"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not there:\n%s", want, text)
		}
	}
	s.press("box<ctrl+s>")
	if diff := cmp.Diff(api.CreateVM{Name: new("box")}, s.api.made); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if s.top() != nil || s.last != "banger vm create box" || s.says != "created box" {
		t.Errorf("%T is open, last %q, says %q", s.top(), s.last, s.says)
	}
}

// TestTheWizardsCommandIsCurrent while its fields are filled in, and it asks for the same.
func TestTheWizardsCommandIsCurrent(t *testing.T) {
	s := openWizard(t, "box<tab>tiny")
	if text := ansi.Strip(s.screen()); !strings.Contains(text, "$ banger vm create box --image tiny ") {
		t.Errorf("half filled in:\n%s", text)
	}
	s.press("<down>4<up><shift+tab>y<down><down><tab>512MiB<enter><enter><enter>ai<enter>src")
	want := "banger vm create boxy --image tiny --vcpu 4 --memory 512MiB --egress ai && banger vm workspace prepare boxy /home/u/src"
	if text := ansi.Strip(s.screen()); !strings.Contains(strings.Join(strings.Fields(text), " "), "$ "+want) {
		t.Errorf("filled in:\n%s", text)
	}
	s.press("<enter>")
	asked := api.CreateVM{
		Name: new("boxy"), Image: new("tiny"), VCPU: new(4), MemoryBytes: new(int64(512 << 20)), Egress: new("ai"), Workspace: &api.PrepareWorkspace{Path: "/home/u/src"},
	}
	if diff := cmp.Diff(asked, s.api.made); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if s.last != want {
		t.Errorf("the command line is %q", s.last)
	}
}

// TestTheWizardSaysAllThatIsWrong at once, beside the fields, and asks the daemon only without.
func TestTheWizardSaysAllThatIsWrong(t *testing.T) {
	s := openWizard(t, "api<tab><tab>0<tab>much<tab><tab>lan<tab>al<ctrl+s>")
	text := ansi.Strip(s.screen())
	for field, want := range map[string]string{
		"> Name": "there is a VM api already", "  vCPUs": `"0" is not a number of 1 or more`, "  Memory": `"much" is not a size`, "  Network": `"lan" is not user or none`, "  Egress": `"al"`,
	} {
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(row string) bool { return strings.HasPrefix(row, field) && strings.Contains(row, want) }) {
			t.Errorf("%q is not beside %q:\n%s", want, field, text)
		}
	}
	if len(s.api.asked) > 0 {
		t.Errorf("asked %q", s.api.asked)
	}
}

// TestTheWizardStaysWhenItIsRefused, with why beside the field that the daemon names.
func TestTheWizardStaysWhenItIsRefused(t *testing.T) {
	for refusal, row := range map[string]string{`VM name "box" is not valid`: "> Name", "vcpu 9 is more than this host's 2 CPUs": "> vCPUs", "the host is full": "  the host is full"} {
		s := openWizard(t, "")
		s.api.refuse = fault.New(fault.Invalid, "%s", refusal)
		s.press("box<ctrl+s>")
		text := ansi.Strip(s.screen())
		if !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, row) && strings.Contains(line, refusal) }) {
			t.Errorf("%q is not in %q:\n%s", refusal, row, text)
		}
	}
}

// TestADefaultIsReplaced by what is typed, and edited after a move of the cursor.
func TestADefaultIsReplaced(t *testing.T) {
	for keys, want := range map[string]string{
		"<tab>x": "x", "<tab><backspace>": "", "<tab><right>x": "debianx", "<tab>x<tab><shift+tab>y": "xy", "<tab><ctrl+u>": "",
	} {
		if got := openWizard(t, keys).top().(*wizard).fields[wizardImage].input.Value(); got != want {
			t.Errorf("%s: %q, want %q", keys, got, want)
		}
	}
}

// TestWithoutANetworkThereIsNoPolicy in the request, and none in the command line.
func TestWithoutANetworkThereIsNoPolicy(t *testing.T) {
	s := openWizard(t, "box<tab><tab><tab><tab><tab>n<right><tab>ai<ctrl+s>")
	if diff := cmp.Diff(api.CreateVM{Name: new("box"), Network: new("none")}, s.api.made); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if s.last != "banger vm create box --network none" {
		t.Errorf("the command line is %q", s.last)
	}
}
