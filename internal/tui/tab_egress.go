package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// egressTab has the VMs with a network: what they may reach, and what they were denied.
type egressTab struct{}

func (egressTab) name() string { return "Egress" }

func (egressTab) columns() []column {
	return []column{{title: "VM", grow: true}, {title: "STATE"}, {title: "DENIED", right: true}, {title: "FLOWS", right: true, drop: 2}, {title: "POLICY", drop: 1, grow: true}}
}

func (egressTab) rows(m *Model) []row {
	var rows []row
	for _, v := range m.world.machines() {
		denied, flows := cell{text: m.theme.missing(), tone: toneDim}, cell{text: m.theme.missing(), tone: toneDim}
		if v.usage != nil {
			denied, flows = cell{text: number(v.usage.FlowsDenied)}, cell{text: number(int64(v.usage.Flows))}
		}
		if denied.text != "0" && v.usage != nil {
			denied.tone = toneBad
		}
		rows = append(rows, row{id: v.ID, cells: []cell{{text: line(v.Name)}, m.theme.state(v.State), denied, flows, {text: policyText(v), tone: toneDim}}})
	}
	return rows
}

// policyText is a policy on one line.
func policyText(v *vmEntry) string {
	if v.Network == api.NetworkNone {
		return "no network"
	}
	return line(v.Egress)
}

func (egressTab) detail(m *Model, id string) []string {
	var out []string
	for i := len(m.world.events) - 1; i >= 0 && len(out) < maxDetail; i-- {
		if ev := m.world.events[i]; ev.Kind == api.EventEgress && ev.VMID == id {
			if d, err := client.EventBody[api.EgressDecision](ev); err == nil {
				out = append(out, m.theme.shape(ev.Action)+" "+line(ev.Action+" "+target(d.EgressRecord)+" "+d.Process))
			}
		}
	}
	return out
}

func (egressTab) empty(m *Model) string { return vmsTab{}.empty(m) }

func (egressTab) deeds(m *Model, of subject) []deed {
	v := m.world.vms[of.chosen]
	if v == nil {
		return nil
	}
	why := noNetwork(v)
	return []deed{{action: ActOpen, word: "log, edit and allow", doc: "show the egress log, to allow what was denied", why: why}, {action: ActEgress, why: why}}
}

// noNetwork says that a VM has none; empty: it has.
func noNetwork(v *vmEntry) string {
	if v.Network == api.NetworkNone {
		return line(v.Name) + " has no network."
	}
	return ""
}

func (egressTab) do(m *Model, _ string, of subject) tea.Cmd {
	return openEgress(m, m.world.vms[of.chosen])
}
