package netstack

import (
	"context"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
)

const (
	// recordWindow is the time in which repeated records become one.
	recordWindow = time.Second
	// restWindow is how often the number of those that have no record is told.
	restWindow = time.Minute
	// The guest is asked who has a port a few times at once and then once in
	// askEvery, by a few at a time, each a moment at most: a question costs an
	// emulated CPU tens of milliseconds, which a guest that opens many connections
	// would feel in each of them.
	maxAsked  = 8
	askEvery  = time.Second
	maxAsking = 4
	askTime   = 300 * time.Millisecond
)

// recorder writes the egress log: bounded in what it writes and in whom it asks.
type recorder struct {
	ctx    context.Context
	config Config
	asking chan struct{} // a slot for each question to the guest
	tasks  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	timer   *time.Timer // runs while a window is open
	budgets budgets
	repeats map[monitorrpc.Record]int // denials of the window, and how often each came again
	untold  untold
	domains domains
	told    time.Time // when the last of untold was
	asks    allowance // of questions to the guest
	// talkative says that much was said in names since told.
	talkative bool
}

func newRecorder(ctx context.Context, config Config) *recorder {
	if config.Log == nil {
		config.Log = func(monitorrpc.Record) {}
	}
	now := config.Now()
	return &recorder{
		ctx: ctx, config: config, asking: make(chan struct{}, maxAsking), repeats: map[monitorrpc.Record]int{},
		budgets: budgets{}, untold: newUntold(), domains: newDomains(), told: now.Add(-restWindow), asks: newAllowance(maxAsked, askEvery, now),
	}
}

// wait writes what was held back and returns once nothing is under way.
func (r *recorder) wait() {
	r.tasks.Wait()
	r.mu.Lock()
	r.closed = true
	if r.timer != nil && r.timer.Stop() {
		r.timer = nil
	}
	r.mu.Unlock()
	r.flush()
}

// open begins a window if there is none; r.mu is held.
func (r *recorder) open(window time.Duration) {
	if r.timer == nil && !r.closed {
		r.timer = time.AfterFunc(window, r.flush)
	}
}

// flush ends the window: what was counted in it is written, and now and then what
// has no record.
func (r *recorder) flush() {
	r.mu.Lock()
	now := r.config.Now()
	var out []monitorrpc.Record
	for record, count := range r.repeats {
		if count == 0 {
			continue
		}
		if !r.budgets.affords(record, false, now) {
			r.untold.denials += count
			continue
		}
		record.Reason = joined(record.Reason, fault.Count(count, "more time"))
		out = append(out, record)
	}
	clear(r.repeats)
	r.timer = nil
	switch rest := r.told.Add(restWindow).Sub(now); {
	case r.untold.nothing() && !r.talkative:
	case rest > 0 && !r.closed:
		r.open(rest)
	default:
		out = append(append(out, r.untold.tell()...), r.domains.tell()...)
		r.told, r.talkative = now, false
		if !r.untold.nothing() {
			r.open(restWindow)
		}
	}
	r.mu.Unlock()
	for _, record := range out {
		r.write(record)
	}
}

func (r *recorder) write(record monitorrpc.Record) {
	record.At = r.config.Now()
	r.config.Log(record)
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// first reports whether a denial is to be written, and counts it if not.
func (r *recorder) first(record monitorrpc.Record) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	count, seen := r.repeats[record]
	switch {
	case seen:
		r.repeats[record] = count + 1
	case r.budgets.affords(record, false, r.config.Now()):
		r.repeats[record] = 0
	default:
		r.untold.denials++
	}
	r.open(recordWindow)
	_, now := r.repeats[record]
	return now && !seen
}

// denied writes that a flow was denied.
func (r *recorder) denied(f *flow, verdict egress.Verdict, reason string) {
	record := f.record("deny", verdict)
	record.Reason = reason
	if r.first(record) {
		r.withOwner(f, record, func(string) {})
	}
}

// nameDenied writes that a question was for a name that the policy does not allow.
func (r *recorder) nameDenied(name string, verdict egress.Verdict) {
	record := monitorrpc.Record{Event: "dns", Protocol: "dns", Name: name, Rule: verdict.Rule}
	if r.first(record) {
		r.write(record)
	}
}

// nameAsked writes that a domain was asked for that was not before, and counts what
// names below it say.
func (r *recorder) nameAsked(name string, verdict egress.Verdict) {
	r.mu.Lock()
	domain, fresh := r.domains.ask(name)
	record := monitorrpc.Record{Event: monitorrpc.EventAsk, Protocol: "dns", Name: domain, Rule: verdict.Rule}
	told := fresh && r.budgets.affords(record, false, r.config.Now())
	if fresh && !told {
		r.untold.asked++
	}
	r.talkative = r.talkative || r.domains.much(domain)
	if r.talkative || fresh && !told {
		r.open(recordWindow)
	}
	r.mu.Unlock()
	if told {
		r.write(record)
	}
}

// begun writes that a flow was allowed, once its owner is known or the time for
// that is over.
func (r *recorder) begun(f *flow) {
	record := f.record("allow", f.verdict)
	r.mu.Lock()
	told := r.budgets.affords(record, false, r.config.Now())
	if !told {
		r.untold.begin(f)
		r.open(recordWindow)
	}
	r.mu.Unlock()
	if !told {
		f.untold = true
		close(f.logged)
		return
	}
	r.withOwner(f, record, func(owner string) {
		f.owner = owner
		close(f.logged)
	})
}

// ended writes that a flow has ended, after what begun wrote. It waits for that. Of
// one of which nothing was told yet it tells if data went both ways: where that went
// is not to be hidden behind flows that lead nowhere.
func (r *recorder) ended(f *flow, reason string) {
	<-f.logged
	record := f.record("close", f.verdict)
	record.Reason, record.Process = reason, f.owner
	record.Sent, record.Received = f.sent.Load(), f.received.Load()
	if f.untold {
		r.mu.Lock()
		told := record.Sent > 0 && record.Received > 0 && r.budgets.affords(record, true, r.config.Now())
		r.untold.end(f, told)
		r.open(recordWindow)
		r.mu.Unlock()
		if !told {
			return
		}
	}
	r.write(record)
}
