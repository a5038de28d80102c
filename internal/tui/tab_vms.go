package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// vmsTab has the VMs.
type vmsTab struct{}

func (vmsTab) name() string { return "VMs" }

func (vmsTab) columns() []column {
	return []column{
		{title: "NAME", grow: true},
		{title: "STATE"},
		{title: "ATTENTION", drop: 1},
		{title: "CPU", right: true, drop: 4},
		{title: "MEMORY", right: true, drop: 5},
		{title: "CHANGES", right: true, drop: 2},
		{title: "PORTS", drop: 3, grow: true},
		{title: "IMAGE", drop: 6},
		{title: "AGE", right: true, drop: 7},
	}
}

func (vmsTab) rows(m *Model) []row {
	var rows []row
	for _, v := range m.world.machines() {
		rows = append(rows, row{id: v.ID, cells: []cell{
			{text: line(v.Name)},
			m.theme.state(v.State),
			m.attentionCell(v.Attention), cpuCell(m, v), memoryCell(m, v), changesCell(m, v), portsCell(m, v),
			{text: line(status.Image(&v.VM)), tone: toneDim},
			m.theme.age(m.now, status.Since(&v.VM)),
		}})
	}
	return rows
}

func cpuCell(m *Model, v *vmEntry) cell {
	if v.usage == nil || v.usage.CPUPercent == nil {
		return cell{text: m.theme.missing(), tone: toneDim}
	}
	return cell{text: fmt.Sprintf("%.0f %%", *v.usage.CPUPercent)}
}

func memoryCell(m *Model, v *vmEntry) cell {
	if v.usage == nil {
		return cell{text: m.theme.missing(), tone: toneDim}
	}
	return cell{text: fault.Bytes(v.usage.HostMemoryBytes)}
}

func changesCell(m *Model, v *vmEntry) cell {
	w := v.Workspace
	switch {
	case w == nil:
		return cell{text: m.theme.missing(), tone: toneDim}
	case w.State == api.WorkspaceClean:
		return cell{text: "none", tone: toneDim}
	case w.State == api.WorkspaceUnknown:
		return cell{text: "unknown"}
	default:
		return cell{text: fault.Count(w.Files, "file")}
	}
}

func portsCell(m *Model, v *vmEntry) cell {
	var ports []string
	for _, p := range v.ports {
		if port := fmt.Sprint(p.GuestPort); p.Address != "" && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	if len(ports) == 0 {
		return cell{text: m.theme.missing(), tone: toneDim}
	}
	return listed(ports)
}

func (vmsTab) detail(m *Model, id string) []string {
	v := m.world.vms[id]
	if v == nil {
		return nil
	}
	var out []string
	if v.ExitMessage != "" {
		out = append(out, line(v.ExitMessage))
	}
	if hint := fault.FromWire(v.ExitHint, v.ExitHintParts); len(hint) > 0 {
		out = append(out, line(worded(hint)))
	}
	out = append(out, fmt.Sprintf("%s, %d vCPU, %s memory, %s disk, %s", line(status.Image(&v.VM)), v.VCPU, fault.Bytes(v.MemoryBytes), fault.Bytes(v.DiskBytes), line(v.Driver)))
	var ports []string
	for _, p := range v.ports {
		if where := firstOf(p.URL, p.Endpoint); where != "" {
			ports = append(ports, line(where))
		}
	}
	if len(ports) > 0 {
		out = append(out, strings.Join(ports, "  "))
	}
	if v.portsWhy != "" {
		out = append(out, v.portsWhy)
	}
	if w := v.Workspace; w != nil {
		out = append(out, "workspace "+line(w.Path)+" from "+line(w.Source)+": "+changesCell(m, v).text+" changed")
	}
	for _, s := range m.world.sessionsOf(v.Name) {
		if over(s) == 0 {
			text := m.theme.shape(s.State) + " " + line(s.Name) + "  " + commandText(s.Command)
			if s.Attention != nil && s.Attention.Text != "" {
				text += ": " + line(s.Attention.Text)
			}
			out = append(out, text)
		}
	}
	if boot := status.Boot(v.BootTimeline); boot != "" {
		out = append(out, line(boot))
	}
	return out
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func (vmsTab) empty(m *Model) string {
	return "There are no VMs yet. Press " + m.keys.key(ActNew) + " to create one."
}

func (vmsTab) hints(m *Model) []string {
	k := m.keys
	return []string{
		k.hint(ActOpen, "attach"), k.hint(ActShell, "shell"), k.hint(ActLogs, "logs"), k.hint(ActDiff, "diff"), k.hint(ActMenu, "actions"), k.hint(ActNew, "new"),
		k.hint(ActDelete, "delete"),
	}
}

func (t vmsTab) do(m *Model, action string, ids []string) tea.Cmd {
	var vms []*vmEntry
	for _, id := range ids {
		if v := m.world.vms[id]; v != nil {
			vms = append(vms, v)
		}
	}
	if len(vms) == 0 {
		return nil
	}
	switch action {
	case ActOpen:
		return attachVM(m, vms[0])
	case ActShell:
		return shell(m, vms[0])
	case ActLogs:
		return openLogs(m, vms[0])
	case ActDiff:
		return openDiff(m, vms[0])
	case ActEgress:
		return openEgress(m, vms[0])
	case ActMenu:
		m.open(newMenu(vms))
		return nil
	}
	var meant vmaction.Action
	for _, a := range vmaction.All() {
		// Pause and resume have one key: the state of the first VM decides.
		if keyed(a) == action && (meant.ID == "" || a.Refusal(&vms[0].VM) == "") {
			meant = a
		}
	}
	if meant.ID == "" {
		return nil
	}
	return m.perform(meant, vms)
}

// attachVM takes the terminal of the VM's session; where it has several, it shows them.
func attachVM(m *Model, v *vmEntry) tea.Cmd {
	var terminals []api.Session
	for _, s := range m.world.sessionsOf(v.Name) {
		if s.State == api.SessionRunning {
			terminals = append(terminals, s)
		}
	}
	switch {
	case v.State != api.VMRunning:
		m.say(toneBad, line(v.Name)+" is "+line(v.State)+". "+m.keys.hint(ActStart, "starts it."))
	case len(terminals) == 0:
		m.say(toneNone, line(v.Name)+" has no running session. "+m.keys.hint(ActShell, "opens a shell."))
	case len(terminals) == 1:
		return attach(m, terminals[0])
	default:
		m.show(1)
		m.list().filter = v.Name
	}
	return nil
}

func shell(m *Model, v *vmEntry) tea.Cmd {
	if v.State != api.VMRunning {
		m.say(toneBad, line(v.Name)+" is "+line(v.State)+". "+m.keys.hint(ActStart, "starts it."))
		return nil
	}
	return m.handOver(m.o.Terminal.Shell(v.ID), typed(act.VMSSH.On(v.Name)))
}

func attach(m *Model, s api.Session) tea.Cmd {
	return m.handOver(m.o.Terminal.Attach(s.VM, s.ID), typed(act.SessionAttach.On(s.VM, s.Name)))
}

// handOver gives the terminal to a program until it ends.
func (m *Model) handOver(program tea.ExecCommand, command string) tea.Cmd {
	m.last = command
	return tea.Exec(program, back)
}

func back(err error) tea.Msg { return backMsg{err: err} }
