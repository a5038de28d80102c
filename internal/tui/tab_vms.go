package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
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

func (vmsTab) deeds(m *Model, of subject) []deed {
	v := m.world.vms[of.chosen]
	if v == nil {
		return []deed{{action: ActNew, word: "new"}}
	}
	all := []deed{
		{action: ActOpen, word: "attach", doc: "attach to the session that needs you, or else the first", why: m.noSession(v)},
		{action: ActShell, word: "shell", why: m.notRunning(v)},
		{action: ActLogs, word: "logs"},
		{action: ActDiff, word: "diff", why: m.noDiff(v)},
	}
	for _, key := range []struct{ action, word string }{{ActStart, "start"}, {ActStop, "stop"}} {
		all = append(all, deed{action: key.action, word: key.word, why: m.refusal(key.action, of.ids)})
	}
	all = append(all, deed{action: ActMenu, word: "actions"}, deed{action: ActNew, word: "new"}, deed{action: ActDelete, word: "delete", why: m.refusal(ActDelete, of.ids)})
	return append(all, deed{action: ActPause, word: m.pauseWord(of.ids), why: m.refusal(ActPause, of.ids)}, deed{action: ActEgress, word: "egress", why: noNetwork(v)})
}

func (m *Model) pauseWord(ids []string) string {
	if a, ok := m.keyedFor(ActPause, m.machinesOf(ids)); ok {
		return a.ID
	}
	return "pause"
}

func (t vmsTab) do(m *Model, action string, of subject) tea.Cmd {
	v, vms := m.world.vms[of.chosen], m.machinesOf(of.ids)
	switch action {
	case ActOpen:
		s, _ := m.world.main(v.Name)
		return attach(m, s)
	case ActShell:
		return shell(m, v)
	case ActLogs:
		return openLogs(m, v)
	case ActDiff:
		return openDiff(m, v)
	case ActEgress:
		return openEgress(m, v)
	case ActMenu:
		m.open(newMenu(vms))
		return nil
	}
	if a, ok := m.keyedFor(action, vms); ok {
		return m.perform(a, vms)
	}
	return nil
}

func (m *Model) machinesOf(ids []string) []*vmEntry {
	var vms []*vmEntry
	for _, id := range ids {
		if v := m.world.vms[id]; v != nil {
			vms = append(vms, v)
		}
	}
	return vms
}

// notRunning says that a VM does not run; empty: it does.
func (m *Model) notRunning(v *vmEntry) string {
	if v.State == api.VMRunning {
		return ""
	}
	if v.State == api.VMPaused {
		return line(v.Name) + " is paused. " + m.keys.hint(ActPause, "resumes it.")
	}
	return line(v.Name) + " is " + line(v.State) + ". " + m.keys.hint(ActStart, "starts it.")
}

func (m *Model) noSession(v *vmEntry) string {
	if why := m.notRunning(v); why != "" {
		return why
	}
	if _, ok := m.world.main(v.Name); !ok {
		return line(v.Name) + " has no running session. " + m.keys.hint(ActShell, "opens a shell.")
	}
	return ""
}

func (m *Model) noDiff(v *vmEntry) string {
	if v.Workspace == nil {
		return line(v.Name) + " has no workspace. " + typed(act.WorkspacePrepare.On(v.Name)) + " copies one to it."
	}
	return m.notRunning(v)
}

func shell(m *Model, v *vmEntry) tea.Cmd {
	return m.handOver(m.o.Terminal.Shell(v.ID), typed(act.VMSSH.On(v.Name)))
}

func attach(m *Model, s api.Session) tea.Cmd {
	return m.handOver(m.o.Terminal.Attach(m.world.idOf(s.VM), s.ID), typed(act.SessionAttach.On(s.VM, s.Name)))
}

// handOver gives the terminal to a program until it ends.
func (m *Model) handOver(program tea.ExecCommand, command string) tea.Cmd {
	m.last = command
	return tea.Exec(program, back)
}

func back(err error) tea.Msg { return backMsg{err: err} }
