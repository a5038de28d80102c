package tui

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// wizard is the form that makes a VM. It begins with the defaults.
type wizard struct {
	fields []*wizardField
	at     int
	wrong  string // that is of no field
	busy   bool   // the daemon checks what was asked for
}

// The fields of the wizard, in their order.
const (
	wizardName = iota
	wizardImage
	wizardCPU
	wizardMemory
	wizardDisk
	wizardNetwork
	wizardEgress
	wizardTree
)

func newWizard(m *Model) *wizard {
	given := m.o.Defaults
	var images []string
	for _, i := range m.world.images {
		if i.Name != "" {
			images = append(images, i.Name)
		}
	}
	free := func(name string) error {
		for _, v := range m.world.vms {
			if v.Name == name {
				return fault.New(fault.Conflict, "there is a VM %s already", name)
			}
		}
		return nil
	}
	w := &wizard{fields: []*wizardField{
		newField("Name", "", "", "letters, digits, hyphens; empty: made up", nil, free),
		newField("Image", "image", given.Image, "a local image, or a reference to pull", images, nil),
		newField("vCPUs", "vcpu", given.VCPU, "a number", nil, checkVCPU),
		newField("Memory", "memory", given.Memory, "a size: 512MiB, 2GiB", nil, checkSize),
		newField("Disk", "disk", given.Disk, "a size: 8GiB, 512GiB", nil, checkSize),
		newField("Network", "network", given.Network, "user, or none", networks(), checkNetwork),
		newField("Egress", "egress", given.Egress, strings.Join(egress.Presets(), ", ")+", or rules", egress.Presets(), checkEgress),
		newField("Work tree", "", "", "a git work tree to copy; empty: none", nil, nil),
	}}
	if stored, on := m.tabs[m.tab].(storedTab[api.Image]); on {
		if i, ok := stored.find(m, m.list().chosen); ok {
			w.fields[wizardImage].input.SetValue(imageName(i))
		}
	}
	return w
}

func networks() []string { return []string{api.NetworkUser, api.NetworkNone} }

func checkNetwork(text string) error {
	if !slices.Contains(networks(), text) {
		return fault.New(fault.Invalid, "%q is not %s", text, strings.Join(networks(), " or "))
	}
	return nil
}

func (*wizard) full() bool { return true }

func (w *wizard) press(m *Model, key tea.KeyPressMsg, _ string) tea.Cmd {
	switch key.String() {
	case "esc":
		m.closeTop()
	case "tab", "down":
		w.choose(w.at + 1)
	case "shift+tab", "up":
		w.choose(w.at - 1)
	case "enter":
		if w.at < len(w.fields)-1 {
			w.choose(w.at + 1)
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

// choose goes to a field, round at the ends. What was typed in the one before is judged.
func (w *wizard) choose(at int) {
	w.fields[w.at].judge()
	w.at = (at + len(w.fields)) % len(w.fields)
}

func (w *wizard) receive(_ *Model, msg tea.Msg) tea.Cmd {
	w.wrong = ""
	w.fields[w.at].take(msg)
	return nil
}

// tree is the work tree to copy; empty: none.
func (w *wizard) tree(m *Model) string {
	tree := w.fields[wizardTree].text()
	if rest, ok := strings.CutPrefix(tree+"/", "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if tree != "" && !filepath.IsAbs(tree) {
		tree = filepath.Join(m.o.Dir, tree)
	}
	return tree
}

// judge says what is wrong, at all fields, and goes to the first of those.
func (w *wizard) judge() (ok bool) {
	wrong := -1
	for i, f := range w.fields {
		if !f.judge() && wrong < 0 {
			wrong = i
		}
	}
	if wrong >= 0 {
		w.at = wrong
	}
	return wrong < 0
}

// offline reports whether the VM is to have no network, and so no policy.
func (w *wizard) offline() bool { return w.fields[wizardNetwork].text() == api.NetworkNone }

// request is what the fields say, once they are judged. What is as given stays the daemon's to
// choose, as at the command line.
func (w *wizard) request(m *Model) api.CreateVM {
	f := w.fields
	req := api.CreateVM{Name: f[wizardName].changed(), Image: f[wizardImage].changed(), Network: f[wizardNetwork].changed()}
	if !w.offline() {
		req.Egress = f[wizardEgress].changed()
	}
	if text := f[wizardCPU].changed(); text != nil {
		n, _ := strconv.Atoi(*text)
		req.VCPU = &n
	}
	for at, to := range map[int]**int64{wizardMemory: &req.MemoryBytes, wizardDisk: &req.DiskBytes} {
		if text := f[at].changed(); text != nil {
			n, _ := config.ParseSize(*text)
			*to = new(int64(n))
		}
	}
	if tree := w.tree(m); tree != "" {
		req.Workspace = &api.PrepareWorkspace{Path: tree}
	}
	return req
}

// command are the command lines that do the same; name stands in for one that is made up.
func (w *wizard) command(m *Model, name string) string {
	args := []string{"vm", "create"}
	if typed := w.fields[wizardName].text(); typed != "" {
		name = typed
		args = append(args, name)
	}
	for i, f := range w.fields {
		if value := f.changed(); value != nil && f.flag != "" && (i != wizardEgress || !w.offline()) {
			args = append(args, "--"+f.flag, *value)
		}
	}
	text := cmdline.Typed(args...)
	if tree := w.tree(m); tree != "" {
		text += " && " + cmdline.Typed("vm", "workspace", "prepare", cmp.Or(name, "NAME"), tree)
	}
	return text
}

// create asks for the VM. The form stays until the daemon has accepted that.
func (w *wizard) create(m *Model) tea.Cmd {
	if w.busy || !w.judge() {
		return nil
	}
	w.busy, w.wrong = true, ""
	req := w.request(m)
	return ask(m, func(ctx context.Context, a API) tea.Msg {
		op, err := a.CreateVM(ctx, req)
		return createMsg{of: w, op: op, err: err}
	})
}

// createMsg is what became of what a wizard asked for.
type createMsg struct {
	of  *wizard
	op  api.Operation
	err error
}

// takeCreate closes the form whose VM is being made, and says how that ends once it does.
func (m *Model) takeCreate(c createMsg) tea.Cmd {
	w := c.of
	w.busy = false
	if c.err != nil {
		w.blame(c.err)
		if m.top() != layer(w) {
			m.say(toneBad, sentence(c.err))
		}
		return nil
	}
	if m.top() == layer(w) {
		m.closeTop()
	}
	m.last = w.command(m, "")
	m.say(toneNone, "creating the VM; its progress is in the tab Operations")
	ctx, a := m.ctx, m.o.API
	return func() tea.Msg {
		op, err := a.Wait(ctx, c.op.ID, nil)
		if fault.CodeOf(err) == fault.Canceled {
			return endedMsg{did: "canceled the new VM"}
		}
		if err != nil {
			return endedMsg{err: err}
		}
		v, err := client.Result[api.CreatedVM](op)
		return createdMsg{of: w, name: v.Name, err: err}
	}
}

// createdMsg is a VM that a wizard has made.
type createdMsg struct {
	of   *wizard
	name string
	err  error
}

func (c createdMsg) take(m *Model) {
	doneMsg{did: "created " + c.name, command: c.of.command(m, c.name), err: c.err}.take(m)
}
