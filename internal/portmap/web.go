package portmap

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// probesAtOnce bounds the probes of one VM under way, askLimit how long an
	// answer waits for them, probeTries how often a listener is asked that does
	// not answer in time: each time for probeGrowth times as long.
	probesAtOnce = 8
	askLimit     = 1500 * time.Millisecond
	probeTries   = 3
	probeLimit   = 300 * time.Millisecond
	probeGrowth  = 4
)

// Probe finds out whether a web server is behind dial: "https", "http", or
// empty. limit bounds each of its tries. Not sure: it did not answer in time, and may
// be asked again.
type Probe func(ctx context.Context, limit time.Duration, dial func(context.Context) (net.Conn, error)) (scheme string, sure bool)

// webs is what is known about web servers, each for as long as its socket is
// the same.
type webs struct {
	probe Probe
	slots chan struct{}

	mu   sync.Mutex
	seen map[key]*web
}

type web struct {
	print  string // of the socket that was asked
	scheme string
	sure   bool
	tries  int
	asked  chan struct{} // closed when the probe under way has ended
}

func newWebs(probe Probe) webs {
	return webs{probe: probe, slots: make(chan struct{}, probesAtOnce), seen: map[key]*web{}}
}

func (w *webs) scheme(k key) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.seen[k]; one != nil {
		return one.scheme
	}
	return ""
}

// lookAtWebs begins the probes that are due and waits for all, within askLimit.
func (m *Map) lookAtWebs(ctx context.Context) {
	if m.webs.probe == nil {
		return
	}
	pending := m.beginProbes() //nolint:contextcheck // a probe outlives the question: a later one has its answer
	limit := time.NewTimer(askLimit)
	defer limit.Stop()
	for _, asked := range pending {
		select {
		case <-asked:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (m *Map) beginProbes() []chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.webs.mu.Lock()
	defer m.webs.mu.Unlock()
	if m.closed {
		return nil
	}
	for k, one := range m.webs.seen {
		if s, ok := m.sockets[k]; !ok || fingerprint(s) != one.print {
			delete(m.webs.seen, k)
		}
	}
	var pending []chan struct{}
	for k, s := range m.sockets {
		if k.proto != "tcp" {
			continue
		}
		one := m.webs.seen[k]
		if one == nil {
			one = &web{print: fingerprint(s)}
			m.webs.seen[k] = one
		}
		if one.asked == nil && !one.sure && one.tries < probeTries {
			one.tries++
			one.asked = make(chan struct{})
			boot, limit := m.boot, probeLimit
			for range one.tries - 1 {
				limit *= probeGrowth
			}
			m.work.Go(func() { m.ask(boot, limit, k, one) })
		}
		if one.asked != nil {
			pending = append(pending, one.asked)
		}
	}
	return pending
}

// ask probes one listener. It ends with ctx, the guest's present boot.
func (m *Map) ask(ctx context.Context, limit time.Duration, k key, one *web) {
	scheme, sure := "", false
	select {
	case m.webs.slots <- struct{}{}:
		scheme, sure = m.webs.probe(ctx, limit, func(ctx context.Context) (net.Conn, error) { return m.dial(ctx, target{key: k}) })
		<-m.webs.slots
	case <-ctx.Done():
	}
	m.webs.mu.Lock()
	defer m.webs.mu.Unlock()
	one.scheme, one.sure = scheme, sure
	close(one.asked)
	one.asked = nil
}

// fingerprint is the same as long as the socket is.
func fingerprint(s socket) string { return fmt.Sprint(s.bound, s.owner.PID, s.owner.Command) }
