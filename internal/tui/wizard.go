package tui

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// wizard creates a VM. A field that is left empty means the default.
type wizard struct {
	fields []wizardField
	at     int
	wrong  string
}

type wizardField struct {
	name, doc string
	input     textinput.Model
}

// The fields of the wizard, in their order.
const (
	wizardName = iota
	wizardImage
	wizardCPU
	wizardMemory
	wizardDisk
	wizardWorkspace
	wizardEgress
)

func newWizard(m *Model) *wizard {
	w := &wizard{}
	for _, f := range [][2]string{
		{"Name", "empty: made up"},
		{"Image", "a name or a registry reference; empty: as configured"},
		{"vCPUs", "empty: as configured"},
		{"Memory", "MiB, or GiB with a G; empty: as configured"},
		{"Disk", "MiB, or GiB with a G; empty: as configured"},
		{"Work tree", "a directory of this host to copy to it; empty: none"},
		{"Egress", "a preset, such as packages; empty: as configured"},
	} {
		w.fields = append(w.fields, wizardField{name: f[0], doc: f[1], input: field("", "")})
	}
	if images, on := m.tabs[m.tab].(storedTab[api.Image]); on {
		if i, ok := images.find(m, m.list().chosen); ok {
			w.fields[wizardImage].input.SetValue(imageName(i))
		}
	}
	return w
}

func (*wizard) full() bool { return true }

func (w *wizard) press(m *Model, key tea.KeyPressMsg, _ string) tea.Cmd {
	switch key.String() {
	case "esc":
		m.closeTop()
	case "tab", "down":
		w.at = min(w.at+1, len(w.fields)-1)
	case "shift+tab", "up":
		w.at = max(w.at-1, 0)
	case "enter":
		if w.at < len(w.fields)-1 {
			w.at++
			return nil
		}
		return w.create(m)
	case "ctrl+s":
		return w.create(m)
	default:
		return w.receive(m, key)
	}
	return nil
}

func (w *wizard) receive(_ *Model, msg tea.Msg) tea.Cmd {
	w.wrong = ""
	w.fields[w.at].input, _ = w.fields[w.at].input.Update(msg)
	return nil
}

func (w *wizard) text(at int) string { return strings.TrimSpace(w.fields[at].input.Value()) }

// tree is the work tree to copy; empty: none.
func (w *wizard) tree(m *Model) string {
	tree := w.text(wizardWorkspace)
	if tree != "" && !filepath.IsAbs(tree) {
		tree = filepath.Join(m.o.Dir, tree)
	}
	return tree
}

// request is what the fields say.
func (w *wizard) request() (api.CreateVM, error) {
	var req api.CreateVM
	for at, to := range map[int]**string{wizardName: &req.Name, wizardImage: &req.Image, wizardEgress: &req.Egress} {
		if text := w.text(at); text != "" {
			*to = &text
		}
	}
	if text := w.text(wizardCPU); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return req, fault.New(fault.Invalid, "%q is not a number of vCPUs", text)
		}
		req.VCPU = &n
	}
	for at, to := range map[int]**int64{wizardMemory: &req.MemoryBytes, wizardDisk: &req.DiskBytes} {
		text := w.text(at)
		if text == "" {
			continue
		}
		n, err := mebibytes(text)
		if err != nil {
			return req, err
		}
		*to = &n
	}
	return req, nil
}

// mebibytes reads a size: MiB, or GiB with a G behind it.
func mebibytes(text string) (int64, error) {
	digits, shift := strings.TrimRight(text, "GgMmIiBb "), 20
	if strings.ContainsAny(text, "Gg") {
		shift = 30
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "%q is not a size, such as 512 or 2G", text)
	}
	return n << shift, nil
}

// create begins it. The work tree is copied once the VM runs.
func (w *wizard) create(m *Model) tea.Cmd {
	req, err := w.request()
	if err != nil {
		w.wrong = sentence(err)
		return nil
	}
	m.closeTop()
	tree := w.tree(m)
	ctx, a := m.ctx, m.o.API
	m.say(toneNone, "creating the VM; its progress is in the tab Operations")
	return func() tea.Msg {
		v, err := create(ctx, a, req, tree)
		if fault.CodeOf(err) == fault.Canceled {
			return endedMsg{did: "canceled the new VM"}
		}
		return doneMsg{did: "created " + v.Name, command: createCommands(req, v.Name, tree), err: err}
	}
}

// createCommands are the command lines that do the same; name stands in for one that is
// made up.
func createCommands(req api.CreateVM, name, tree string) string {
	args := []string{"vm", "create"}
	if req.Name != nil {
		name = *req.Name
		args = append(args, name)
	}
	flag := func(name string, value *string) {
		if value != nil {
			args = append(args, "--"+name, *value)
		}
	}
	size := func(n *int64) *string {
		if n == nil {
			return nil
		}
		text := fmt.Sprintf("%dMiB", *n>>20)
		if *n%(1<<30) == 0 {
			text = fmt.Sprintf("%dGiB", *n>>30)
		}
		return &text
	}
	flag("image", req.Image)
	if req.VCPU != nil {
		args = append(args, "--"+"vcpu", strconv.Itoa(*req.VCPU))
	}
	flag("memory", size(req.MemoryBytes))
	flag("disk", size(req.DiskBytes))
	flag("egress", req.Egress)
	text := cmdline.Typed(args...)
	if tree != "" {
		text += " && " + cmdline.Typed("vm", "workspace", "prepare", cmp.Or(name, "NAME"), tree)
	}
	return text
}

func create(ctx context.Context, a API, req api.CreateVM, tree string) (api.VM, error) {
	op, err := a.CreateVM(ctx, req)
	if err != nil {
		return api.VM{}, err
	}
	if op, err = a.Wait(ctx, op.ID, nil); err != nil {
		return api.VM{}, err
	}
	v, err := client.Result[api.VM](op)
	if err != nil || tree == "" {
		return v, err
	}
	if op, err = a.PrepareWorkspace(ctx, v.ID, api.PrepareWorkspace{Path: tree}); err != nil {
		return v, err
	}
	return v, second(a.Wait(ctx, op.ID, nil))
}

func (w *wizard) lines(m *Model, width, height int) []string {
	below := []string{"", m.theme.paint(toneDim, cut("  "+w.fields[w.at].name+": "+w.fields[w.at].doc, width))}
	if w.wrong != "" {
		below = append(below, m.theme.paint(toneBad, cut("  "+w.wrong, width)))
	} else if req, err := w.request(); err == nil {
		for _, text := range indented(wrapped("$ "+line(createCommands(req, "", w.tree(m))), width-4)) {
			below = append(below, m.theme.paint(toneDim, text))
		}
	}
	out := []string{m.rule("New VM"), ""}
	below = below[:min(len(below), max(height-len(out)-1, 0))]
	room := min(max(height-len(out)-len(below), 1), len(w.fields))
	top := max(min(w.at-room/2, len(w.fields)-room), 0)
	for i := top; i < top+room; i++ {
		f := &w.fields[i]
		sign, value := "  ", line(f.input.Value())
		if i == w.at {
			f.input.SetWidth(max(width-20, 1))
			sign, value = "> ", f.input.View()
		}
		out = append(out, sign+fit(f.name, 12, false)+value)
	}
	return append(out, below...)
}

func (*wizard) hints(*Model) []string {
	return []string{"Enter next", "ctrl-s create", "Tab next field", "Esc cancel"}
}
