package web

import (
	"context"
	"slices"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// maxDenials bounds the denials that a page shows.
const maxDenials = 8

// denial is what a VM was last denied.
type denial struct {
	Event  string // the ID of the event that told of it
	VM     api.VM
	Record api.EgressRecord
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

// applyDenial takes in a denial that is not known yet.
func (s *scene) applyDenial(ev api.Event, in api.VM) error {
	if slices.ContainsFunc(s.denials, func(d denial) bool { return d.Event == ev.ID }) {
		return nil
	}
	record, err := client.EventBody[api.EgressRecord](ev)
	if err != nil {
		return err
	}
	s.denials = append([]denial{{Event: ev.ID, VM: in, Record: record}}, s.denials[:min(len(s.denials), maxDenials-1)]...)
	return nil
}
