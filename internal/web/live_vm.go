package web

import (
	"context"

	"github.com/bangervm/banger/internal/client/status"
)

// vmParts is what a VM's page has.
type vmParts struct {
	id    string     // of the VM, once it was seen
	stale bool       // the VM has changed
	panel []fragment // but for what is measured
}

// vmPage adds what changes on a VM's page, by its section.
func (p *parts) vmPage(ctx context.Context, l *list, s *scene) {
	v := p.ofPage(s)
	if v == nil {
		if p.one.id != "" {
			l.add("vm-state", "", "vm-gone", nil)
			l.add("vm-acts", "", "vm-no-acts", nil)
		}
		return
	}
	if p.one.stale {
		one := &list{p: p.c.pages}
		p.vmPanel(ctx, one, v)
		if one.err != nil {
			l.err = one.err
			return
		}
		p.one.panel, p.one.stale = one.all, false
	}
	l.all = append(l.all, p.one.panel...)
	if p.measures() {
		if takes, ok := p.c.takesKnown(v.vm); ok {
			l.add("takes", "", "takes", takes)
		}
	}
}

// ofPage is the VM that the page is of, also once it has another name; nil: it is gone.
func (p *parts) ofPage(s *scene) *vmScene {
	if v, ok := s.vms[p.one.id]; ok {
		return v
	}
	for id, v := range s.vms {
		if p.one.id == "" && v.vm.Name == p.subject {
			p.one.id = id
			return v
		}
	}
	return nil
}

// vmPanel adds what events change.
func (p *parts) vmPanel(ctx context.Context, one *list, v *vmScene) {
	head := p.c.vmHead(v.vm, v.inOrder(), p.token)
	one.add("vm-state", "", "vm-state", head)
	one.add("vm-acts", "", "vm-acts", head)
	one.add("vm-tabs", "", "vm-tabs", p.c.frameOf(v.vm, p.section))
	one.add("vm-ended", "", "vm-ended", p.c.frameOf(v.vm, p.section))
	if p.section == "" {
		if sessions, err := p.c.sessions(ctx, v.vm, p.token); err == nil {
			one.add("sessions", "", "sessions", sessions)
		}
		if v.portsKnown {
			one.add("ports", "", "ports", portsPart{Ports: v.ports})
		} else if !status.Alive(v.vm.State) {
			one.add("ports", "", "ports", p.c.portsOf(ctx, v.vm))
		}
	}
}
