package web

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// maxPoints is how many samples a curve has: the last 5 minutes, if there is one each 2 s.
const maxPoints = 150

// freshFor is how long what was measured counts as what is so now.
const freshFor = 10 * time.Second

// meter keeps what the host and VMs take, while a page that shows it is open, and only
// then. It is safe for concurrent use.
type meter struct {
	api API
	now func() time.Time
	log *slog.Logger

	mu       sync.Mutex
	watchers int
	end      context.CancelFunc
	work     sync.WaitGroup
	changed  chan struct{}
	host     client.HostUsage
	whole    curves            // of the host
	vms      map[string]*meted // by ID
	sum      curves            // of all VMs
}

// meted is what one VM takes.
type meted struct {
	usage  client.Usage
	curves curves
	seen   bool // in this round
}

// curves are the last minutes of what somebody takes: CPU in percent of one processor,
// memory and disk in bytes, and what went over the network and to and from disks in bytes
// a second.
type curves struct{ cpu, memory, disk, io, net []float64 }

func (c *curves) add(cpu, memory, disk, io, net float64) {
	c.cpu, c.memory, c.disk, c.io, c.net = push(c.cpu, cpu), push(c.memory, memory), push(c.disk, disk), push(c.io, io), push(c.net, net)
}

func push(curve []float64, v float64) []float64 {
	curve = append(curve, v)
	return curve[max(len(curve)-maxPoints, 0):]
}

func newMeter(a API, now func() time.Time, log *slog.Logger) *meter {
	return &meter{api: a, now: now, log: log, changed: make(chan struct{}), vms: map[string]*meted{}}
}

// watch measures until stop is called by all that watch.
func (m *meter) watch(ctx context.Context) (stop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watchers++; m.watchers == 1 {
		measured, cancel := context.WithCancel(context.WithoutCancel(ctx))
		m.end = cancel
		if !m.fresh() { // what was measured before is of another time
			m.host, m.whole, m.sum = client.HostUsage{}, curves{}, curves{}
			clear(m.vms)
		}
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

// fresh reports whether there is something measured of now. The caller holds mu.
func (m *meter) fresh() bool {
	return !m.host.At.IsZero() && m.now().Sub(m.host.At) <= freshFor
}

func (m *meter) follow(ctx context.Context) {
	for ev, err := range m.api.Events(ctx, client.EventOptions{Kinds: []string{api.EventSample, api.EventHost}}) {
		if err == nil {
			err = m.take(ctx, ev)
		}
		if err != nil && ctx.Err() == nil {
			m.log.WarnContext(ctx, "the web console cannot read samples", "error", err)
		}
	}
}

// take adds a sample. That of the host ends a round.
func (m *meter) take(ctx context.Context, ev api.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return nil // it is of those that have left
	}
	switch ev.Kind {
	case api.EventSample:
		s, err := client.EventBody[api.Stats](ev)
		if err != nil {
			return err
		}
		m.takeVM(s)
	case api.EventHost:
		s, err := client.EventBody[api.HostStats](ev)
		if err != nil {
			return err
		}
		m.closeRound(s)
	}
	return nil
}

func (m *meter) takeVM(s api.Stats) {
	v := m.vms[s.ID]
	if v == nil {
		v = &meted{}
		m.vms[s.ID] = v
	}
	v.usage, v.seen = client.UsageSince(v.usage.Stats, s), true
	if u := v.usage; u.CPUPercent != nil {
		v.curves.add(*u.CPUPercent, memoryOf(u), float64(u.DiskUsageBytes), value(u.DiskReadRate)+value(u.DiskWriteRate), value(u.NetInRate)+value(u.NetOutRate))
	}
}

// closeRound forgets VMs that are gone, and adds the sums to the curves.
func (m *meter) closeRound(s api.HostStats) {
	for id, v := range m.vms {
		if !v.seen {
			delete(m.vms, id)
		}
		v.seen = false
	}
	m.host = client.HostUsageSince(m.host.HostStats, s)
	if u := m.host; u.CPUPercent != nil {
		m.whole.add(*u.CPUPercent, float64(u.MemoryBytes-u.MemoryAvailableBytes), float64(u.DiskBytes-u.DiskAvailableBytes), 0, value(u.NetInRate)+value(u.NetOutRate))
		all := m.total()
		m.sum.add(all.cpu, all.memory, all.disk, all.io, all.in+all.out)
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// sums are what all VMs take together.
type sums struct{ cpu, memory, disk, io, in, out float64 }

func (m *meter) total() sums {
	var s sums
	for _, v := range m.vms {
		u := v.usage
		s.cpu += value(u.CPUPercent)
		s.memory += memoryOf(u)
		s.disk += float64(u.DiskUsageBytes)
		s.io += value(u.DiskReadRate) + value(u.DiskWriteRate)
		s.in += value(u.NetInRate)
		s.out += value(u.NetOutRate)
	}
	return s
}

// memoryOf is what a VM takes of the host's memory.
func memoryOf(u client.Usage) float64 { return float64(u.HostMemoryBytes + u.MonitorBytes) }

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// round is the IDs of the VMs of the latest round, and what is closed when there is another.
func (m *meter) round() (vms []string, next <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.vms)), m.changed
}
