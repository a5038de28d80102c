package web

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/denied"
)

const (
	// maxDenials bounds the denials that the dashboard shows, and maxDenialsOf those of one VM:
	// what one asks for cannot hide what the others were denied.
	maxDenials   = 8
	maxDenialsOf = 3
	// maxKnown bounds the denials of a VM that are known, each of many records, and
	// maxKnownEvents the events that they are from.
	maxKnown       = 32
	maxKnownEvents = 128
	// journalKeeps is how many events of one VM's egress the daemon keeps: where a page has so
	// many, older ones may have made room.
	journalKeeps = 64
)

// denials are what one VM was denied: by destination and ground, the latest first.
type denials struct {
	all    []denial
	events []string // IDs of those taken in, the latest last
	// more: there were others that have no event, or made room for these.
	more bool
}

// denial is what a VM was denied once or more, on the same ground.
type denial struct {
	latest api.EgressRecord
	times  int
	order  int // of the latest among those of all VMs
}

// apply takes in a denial that is not known yet.
func (d *denials) apply(ev api.Event, order int) error {
	if slices.Contains(d.events, ev.ID) {
		return nil
	}
	body, err := client.EventBody[api.EgressDecision](ev)
	if err != nil {
		return err
	}
	d.events = append(d.events[max(0, len(d.events)-maxKnownEvents+1):], ev.ID)
	d.more = d.more || body.Missed > 0 || len(d.events) >= journalKeeps
	_, times := denied.Repeats(body.Reason)
	fresh := denial{latest: body.EgressRecord, times: times, order: order}
	if at := slices.IndexFunc(d.all, func(one denial) bool { return flowOf(one.latest) == flowOf(fresh.latest) }); at >= 0 {
		fresh.times += d.all[at].times
		d.all = slices.Delete(d.all, at, at+1)
	}
	if len(d.all) == maxKnown {
		d.all, d.more = d.all[:maxKnown-1], true
	}
	d.all = slices.Insert(d.all, 0, fresh)
	return nil
}

// recallDenials takes in what VMs that still exist were denied before, as far as the
// journal has it.
func (c *Console) recallDenials(ctx context.Context, s *scene) error {
	for ev, err := range c.api.Events(ctx, client.EventOptions{Since: "0", Kinds: []string{api.EventEgress}, Once: true}) {
		if err != nil {
			return err
		}
		if ev.Kind != api.EventEgress {
			continue
		}
		if _, err := s.apply(ev); err != nil {
			return err
		}
	}
	return nil
}

// denialView is what a VM was denied, and how often.
type denialView struct {
	VM, Path string
	flowView
	order int
}

// denialsView are the last denials, and how many others there are.
type denialsView struct {
	Rows []denialView
	More []moreDenials
}

// moreDenials are denials of a VM that are not shown.
type moreDenials struct {
	VM, Path string
	Count    int
}

// denialViews are the latest of each VM, then the ones before them, as many as there is room
// for: the latest first.
func (c *Console) denialViews(s *scene) denialsView {
	var view denialsView
	vms := slices.SortedFunc(maps.Values(s.vms), func(a, b *vmScene) int {
		return cmp.Or(cmp.Compare(b.denials.latest(), a.denials.latest()), strings.Compare(a.vm.ID, b.vm.ID))
	})
	shown := map[*vmScene]int{}
	for at := range maxDenialsOf {
		for _, v := range vms {
			if at < len(v.denials.all) && len(view.Rows) < maxDenials {
				view.Rows = append(view.Rows, c.viewDenial(v, v.denials.all[at]))
				shown[v]++
			}
		}
	}
	slices.SortFunc(view.Rows, func(a, b denialView) int { return cmp.Compare(b.order, a.order) })
	for _, v := range vms {
		if rest := len(v.denials.all) - shown[v]; rest > 0 && shown[v] > 0 {
			view.More = append(view.More, moreDenials{VM: v.vm.Name, Path: vmPath(v.vm.Name) + "/egress?show=denied", Count: rest})
		}
	}
	return view
}

func (d *denials) latest() int {
	if len(d.all) == 0 {
		return 0
	}
	return d.all[0].order
}

func (c *Console) viewDenial(v *vmScene, d denial) denialView {
	flow, _ := c.viewFlow(vmFrame{VM: v.vm}, d.latest)
	flow.Times, flow.AtLeast = d.times, v.denials.more
	return denialView{VM: v.vm.Name, Path: vmPath(v.vm.Name), flowView: flow, order: d.order}
}
