package web

import (
	"cmp"
	"time"

	"github.com/bangervm/banger/internal/client/status"
)

// heedAfter is how long a session must have needed somebody before a page that does not
// show it tells of it: what is answered at once needs nobody else.
const heedAfter = 5 * time.Second

// heeded is what a page has told of who needs somebody. The zero value: nothing.
type heeded struct {
	told map[string]string // the need that was told, by the VM's ID
	due  <-chan time.Time  // when one that is too young is old enough
}

type toastView struct {
	Name, Path string
	Attention  *attentionView
}

// toasts are those of VMs that need somebody, and of which the page was not told yet. What
// a page shows when it is opened, and the VM that it is of, need no toast.
func (p *livePage) toasts() ([]string, error) {
	told, first := map[string]string{}, p.heed.told == nil
	var toasts []string
	var next time.Duration
	for _, v := range p.scene.sorted() {
		a := v.attention()
		if !status.Needs(a) {
			continue
		}
		id, need := v.vm.ID, a.Session+a.Since.String()
		if first || p.heed.told[id] == need || p.parts.isOf(v) {
			told[id] = need
			continue
		}
		if young := heedAfter - p.c.now().Sub(a.Since); young > 0 {
			next = max(cmp.Or(min(next, young), young), time.Millisecond)
			continue
		}
		told[id] = need
		toast, err := p.c.pages.part("toast-needs", toastView{Name: v.vm.Name, Path: cmp.Or(v.toAttach(), vmPath(v.vm.Name)), Attention: viewAttention(a, p.c.now())})
		if err != nil {
			return nil, err
		}
		toasts = append(toasts, toast)
	}
	p.heed.told, p.heed.due = told, nil
	if next > 0 {
		p.heed.due = time.After(next)
	}
	return toasts, nil
}
