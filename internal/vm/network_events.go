package vm

import (
	"context"
	"time"
)

// EgressNews is a record of the egress log that tells something new. N counts all there
// were in this start.
type EgressNews struct {
	N int64
	EgressRecord
}

// EgressRecord is what a guest reached or was denied. Event is "deny", "dns" (a name
// that was denied) or "ask" (the first use of a name). Its words are the guest's.
type EgressRecord struct {
	At       time.Time
	Event    string
	Protocol string
	Name     string
	Said     string
	Address  string
	Port     uint16
	Rule     string
	Reason   string
	Process  string
}

// Denied reports whether the guest was not let.
func (r EgressRecord) Denied() bool { return r.Event != "ask" }

// tellNetwork tells what is new in a status: ports, denials, first uses of names. A
// daemon that finds a monitor tells the latest of what was before, too.
func (s *Service) tellNetwork(ctx context.Context, w *watch, st Status) {
	if s.deps.Events == nil {
		return
	}
	before, _ := w.snapshot()
	last := int64(0)
	if n := len(before.EgressNews); n > 0 {
		last = before.EgressNews[n-1].N
	}
	fresh := st.EgressNews
	for len(fresh) > 0 && fresh[0].N <= last {
		fresh = fresh[1:]
	}
	ports := st.PortsChanged != before.PortsChanged
	if len(fresh) == 0 && !ports {
		return
	}
	v, err := s.byID(ctx, w.vmID)
	if err != nil { // it is being deleted
		return
	}
	if ports {
		s.deps.Events.PortsChanged(v)
	}
	for _, news := range fresh {
		s.deps.Events.EgressHappened(v, news.EgressRecord, max(0, news.N-last-1))
		last = news.N
	}
}
