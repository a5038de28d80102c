package web

import (
	"context"
	"log/slog"
	"sync"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// maxPoints is how many samples a curve has: the last 5 minutes, one each 2 s.
const maxPoints = 150

// meter keeps what VMs take, while a page that shows it is open, and only then. It is
// safe for concurrent use.
type meter struct {
	api API
	log *slog.Logger

	mu       sync.Mutex
	watchers int
	end      context.CancelFunc
	work     sync.WaitGroup
	changed  chan struct{}
	usage    map[string]client.Usage // by the VM's ID
	seen     map[string]struct{}     // in this round
	cpu      map[string][]float64    // by the VM's ID
	totals   map[string][]float64    // cpu, memory, disk, net
}

func newMeter(a API, log *slog.Logger) *meter {
	return &meter{
		api: a, log: log, changed: make(chan struct{}), usage: map[string]client.Usage{}, seen: map[string]struct{}{},
		cpu: map[string][]float64{}, totals: map[string][]float64{},
	}
}

// watch measures until stop is called by all that watch.
func (m *meter) watch(ctx context.Context) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watchers++; m.watchers == 1 {
		measured, cancel := context.WithCancel(context.WithoutCancel(ctx))
		m.end = cancel
		m.work.Go(func() { m.follow(measured) })
	}
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.watchers--; m.watchers == 0 {
			m.end()
		}
	})
}

func (m *meter) follow(ctx context.Context) {
	for ev, err := range m.api.Events(ctx, client.EventOptions{Kinds: []string{api.EventSample}}) {
		if err == nil && ev.Kind == api.EventSample {
			var s api.Stats
			if s, err = client.EventBody[api.Stats](ev); err == nil {
				m.take(s)
			}
		}
		if err != nil && ctx.Err() == nil {
			m.log.WarnContext(ctx, "the web console cannot read samples", "error", err)
		}
	}
}

// take adds a sample. One of a VM that had one in this round begins the next round.
func (m *meter) take(s api.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, again := m.seen[s.ID]; again {
		m.closeRound()
	}
	m.seen[s.ID] = struct{}{}
	u := client.UsageSince(m.usage[s.ID].Stats, s)
	m.usage[s.ID] = u
	if u.CPUPercent != nil {
		m.cpu[s.ID] = push(m.cpu[s.ID], *u.CPUPercent)
	}
}

// closeRound forgets VMs that are gone, and adds the sums to the curves.
func (m *meter) closeRound() {
	for id := range m.usage {
		if _, ok := m.seen[id]; !ok {
			delete(m.usage, id)
			delete(m.cpu, id)
		}
	}
	clear(m.seen)
	sum := m.sum()
	for name, value := range map[string]float64{"cpu": sum.cpu, "memory": sum.memory, "disk": sum.disk, "net": sum.in + sum.out} {
		m.totals[name] = push(m.totals[name], value)
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

func push(curve []float64, v float64) []float64 {
	curve = append(curve, v)
	return curve[max(len(curve)-maxPoints, 0):]
}

type sums struct{ cpu, memory, limit, disk, in, out, vcpu float64 }

func (m *meter) sum() sums {
	var s sums
	for _, u := range m.usage {
		s.cpu += value(u.CPUPercent)
		s.memory += float64(u.HostMemoryBytes + u.MonitorBytes)
		s.limit += float64(u.MemoryBytes)
		s.disk += float64(u.DiskUsageBytes)
		s.in += value(u.NetInRate)
		s.out += value(u.NetOutRate)
		s.vcpu += float64(u.VCPU)
	}
	return s
}

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// next is closed when there is a new round.
func (m *meter) next() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}
