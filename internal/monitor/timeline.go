package monitor

import (
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
)

// maxLead bounds the time from bangerd's beginning of a start to the monitor's: two
// processes read it off a clock that can be set in between.
const maxLead = time.Hour

// beginTimeline marks that the monitor runs.
func (s *supervisor) beginTimeline() {
	here := time.Now()
	lead := here.Sub(s.spec.BeganAt)
	if s.spec.BeganAt.IsZero() || lead < 0 || lead > maxLead {
		lead = 0
	}
	s.began = here.Add(-lead)
	s.status.Boot.How, s.status.Boot.Driver = string(vm.BootCold), s.spec.Driver
	if s.spec.Template != nil {
		s.status.Boot.Template = s.spec.Template.Key
	}
	s.reach(&s.status.Boot.Monitor)
}

// reach marks that the start has come to a point, if it is the first time.
func (s *supervisor) reach(point *time.Duration) {
	if *point == 0 {
		*point = max(time.Since(s.began), 1)
	}
}

// reachReady marks that the guest is ready, and that it was configured so long before:
// the guest's word, of which only what is possible counts.
func (s *supervisor) reachReady(sinceConfigured time.Duration) {
	at := &s.status.Boot
	if at.Ready != 0 {
		return
	}
	s.reach(&at.Ready)
	if sinceConfigured > 0 {
		at.Configured = max(at.Ready-sinceConfigured, at.Connected)
	}
}

// bootOf is the timeline as exit.json has it.
func bootOf(t monitorrpc.BootTimeline) vm.BootTimeline {
	return vm.BootTimeline{
		How: vm.BootKind(t.How), Driver: t.Driver, Template: t.Template, NotRestored: t.NotRestored, Monitor: t.Monitor, VMM: t.VMM, Connected: t.Connected, Configured: t.Configured, Ready: t.Ready,
	}
}
