package web

import (
	"context"
	"net/url"
	"slices"

	"github.com/bangervm/banger/internal/api"
)

// The pages that have more that changes than the side: "page" of the stream's query.
const (
	pageDashboard  = "dashboard"
	pageVM         = "vm"
	pageTerminal   = "terminal"
	pageOperation  = "operation"
	pageOperations = "operations"
	pageImages     = "images"
	pageKernels    = "kernels"
)

// parts renders what changes on one page.
type parts struct {
	c         *Console
	page      string
	subject   string // the name of the VM, the ID of the operation
	section   string // of the VM's page
	operation string // that the section shows
	look      look
	ops       opsLook
	token     string
	measured  <-chan struct{} // closed when VMs were measured again
	metered   []string        // IDs of the VMs that were, the last time

	cache map[string][]fragment // of a VM, by its ID: rendered once for each change
	order []*vmScene            // of all VMs; nil: to be sorted
	one   vmParts               // of the VM of the page
}

func (c *Console) partsOf(query url.Values, token string) *parts {
	return &parts{
		c: c, page: query.Get("page"), subject: query.Get("of"), section: query.Get("section"), operation: query.Get(operationParam), look: lookOf(query), ops: opsLookOf(query), token: token,
		cache: map[string][]fragment{}, one: vmParts{stale: true},
	}
}

func (p *parts) forget() {
	clear(p.cache)
	p.order, p.one.stale = nil, true
}

func (p *parts) changed(vm string) {
	delete(p.cache, vm)
	p.order, p.one.stale = nil, true
}

// measures reports whether the page shows what is measured.
func (p *parts) measures() bool {
	return p.page == pageDashboard || p.page == pageVM && (p.section == "" || p.section == "resources" || p.section == "processes")
}

// measure has what was measured shown, and waits for the next.
func (p *parts) measure() {
	now, next := p.c.meter.round()
	for _, id := range slices.Concat(p.metered, now) {
		delete(p.cache, id)
	}
	p.metered, p.measured = now, next
}

// isOf reports whether the page is of a VM, or of a session in it.
func (p *parts) isOf(v *vmScene) bool {
	return (p.page == pageVM || p.page == pageTerminal) && (v.vm.ID == p.one.id || v.vm.Name == p.subject)
}

// wantsPorts reports whether the page shows the ports of a VM.
func (p *parts) wantsPorts(v *vmScene) bool {
	return v.vm.State == api.VMRunning && (p.page == pageDashboard || p.page == pageVM && v.vm.Name == p.subject)
}

// list collects fragments. The first error stays.
type list struct {
	p     *pages
	all   []fragment
	lists map[string][]string
	err   error
}

func (l *list) add(id, in, part string, data any) {
	if l.err != nil {
		return
	}
	html, err := l.p.part(part, data)
	l.err = err
	l.all = append(l.all, fragment{ID: id, In: in, HTML: html})
}

// keep adds a part that pages have, too, and that is kept.
func (l *list) keep(part, of, id, in string, view any) {
	if l.err != nil {
		return
	}
	html, err := l.p.keep(part, of, view)
	l.err = err
	l.all = append(l.all, fragment{ID: id, In: in, HTML: string(html)})
}

// render returns all that can change on the page, and the order of its lists.
func (p *parts) render(ctx context.Context, s *scene) (all []fragment, lists map[string][]string, err error) {
	l := &list{p: p.c.pages, lists: map[string][]string{listRail: {}}}
	if p.page == pageDashboard {
		l.lists[listVMs] = []string{}
	}
	if p.order == nil {
		p.order = s.sorted()
	}
	for _, v := range p.order {
		p.vm(l, v)
	}
	counts := countsOf(s)
	l.add("count-dashboard", "", "count", pairsOf("dashboard", counts.VMs, "VM"))
	l.add("count-images", "", "count", pairsOf("images", counts.Images, "image"))
	l.add("count-kernels", "", "count", pairsOf("kernels", counts.Kernels, "kernel"))
	l.add("count-operations", "", "count", pairsOf("operations", counts.Running, "running operation"))
	l.add("needs", "", "needs", counts.Needs)
	switch p.page {
	case pageDashboard:
		p.dashboard(l, s)
	case pageVM:
		p.vmPage(ctx, l, s)
	case pageTerminal:
		p.terminal(l, s)
	case pageImages:
		l.add("running-operations", "", "running-operations", imagesView{Operations: p.c.runningOf(s, "image.", p.token)})
	case pageKernels:
		l.add("running-operations", "", "running-operations", kernelsView{Operations: p.c.runningOf(s, "kernel.", p.token)})
	case pageOperation, pageOperations:
		p.operations(l, s)
	}
	return l.all, l.lists, l.err
}

// The lists of elements that come and go.
const (
	listRail = "rail-vms"
	listVMs  = "vm-rows"
)

// vm adds a VM's line in the side, and its row.
func (p *parts) vm(l *list, v *vmScene) {
	id := v.vm.ID
	fragments, ok := p.cache[id]
	if !ok {
		one := &list{p: p.c.pages}
		link := p.c.link(v)
		link.Current = p.isOf(v)
		one.keep("rail-vm", id, "rail-"+id, listRail, link)
		if p.page == pageDashboard && p.look.shows(v) {
			one.keep("vm-row", id, "vm-"+id, listVMs, p.c.row(v))
		}
		if l.err == nil {
			l.err = one.err
		}
		fragments = one.all
		p.cache[id] = fragments
	}
	l.all = append(l.all, fragments...)
	for _, f := range fragments {
		l.lists[f.In] = append(l.lists[f.In], f.ID)
	}
}

func (p *parts) dashboard(l *list, s *scene) {
	view := dashboardView{look: p.look, Head: headOf(s), Usage: p.c.meter.measuredView()}
	view.Operations, view.Denials = p.c.runningViews(s, p.token), p.c.denialViews(s)
	view.Rows = make([]vmRow, len(l.lists[listVMs]))
	for part, id := range map[string]string{
		"dash-sub": "dash-sub", "dash-show": "dash-show", "usage": "usage", "vm-count": "vm-count", "vm-empty": "vm-empty",
		"running-operations": "running-operations", "denials": "denials",
	} {
		if part == "usage" && view.Usage == nil {
			continue // the page has what was known when it was made
		}
		l.add(id, "", part, view)
	}
}

func (p *parts) operations(l *list, s *scene) {
	running := p.c.runningViews(s, p.token)
	l.add("running-operations", "", "running-operations", dashboardView{Operations: running})
	if p.page == pageOperations {
		l.add("ops-sub", "", "ops-sub", len(running))
	}
	for _, op := range s.operations {
		switch {
		case p.page == pageOperation && op.ID == p.subject:
			v := p.c.wholeOperation(op, p.token)
			l.add("operation-state", "", "operation-state", v)
			l.add("operation-next", "", "operation-next", v)
			l.add("operation", "", "operation-panel", v)
		case p.page == pageOperations && p.ops.page == 1 && p.ops.shows(op):
			l.add("op-"+op.ID, "ended-operations", "ended-operation", viewOperation(op, p.c.now()))
		}
	}
}

// pairsOf are a count of the side for its part.
func pairsOf(section string, n int, of string) map[string]any {
	return map[string]any{"section": section, "count": n, "of": of}
}
