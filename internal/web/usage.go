package web

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// usageView are the cards of what the host and its VMs take.
type usageView []usageCard

type usageCard struct {
	Name, Now, Of, Note string
	Spark               sparkView
}

// sparkView is a curve of the last minutes, and the part of VMs in it; without a path
// there is none yet.
type sparkView struct {
	Area, Line, Part, Says string
	Width, Height          float64
}

// loadView is what one VM takes; empty: not known.
type loadView struct {
	CPU, Memory string
	Spark       sparkView
}

const noValue = "–"

// measuredView are the cards of what was just measured; nil: nothing was.
func (m *meter) measuredView() usageView {
	m.mu.Lock()
	fresh := m.fresh()
	m.mu.Unlock()
	if !fresh {
		return nil
	}
	return m.view(api.HostStats{})
}

// view are the cards. Where nothing was just measured the host is as given, and what VMs
// take is not known.
func (m *meter) view(host api.HostStats) usageView {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.fresh() {
		return unmeasured(host)
	}
	u, vms := m.host, m.total()
	used, taken := float64(u.MemoryBytes-u.MemoryAvailableBytes), float64(u.DiskBytes-u.DiskAvailableBytes)
	cpu := usageCard{Name: "CPU", Now: noValue, Of: "of " + fault.Count(u.CPUs, "CPU"), Note: "VMs " + noValue}
	net := usageCard{Name: "Network", Now: noValue, Note: "VMs " + noValue}
	if u.CPUPercent != nil && u.CPUs > 0 {
		share := func(v float64) string { return percent(v / float64(u.CPUs)) }
		cpu.Now, cpu.Note = share(*u.CPUPercent), "VMs "+share(vms.cpu)
		cpu.Spark = spark("CPU", m.whole.cpu, m.sum.cpu, 100*float64(u.CPUs), wide(), share)
		net.Now, net.Of = perSecond(value(u.NetInRate)+value(u.NetOutRate)), "in and out"
		net.Note = "VMs " + perSecond(vms.in+vms.out)
		net.Spark = spark("Network", m.whole.net, m.sum.net, 0, wide(), perSecond)
	}
	cards := usageView{
		cpu,
		{Name: "Memory", Now: size(used), Of: "of " + size(float64(u.MemoryBytes)), Note: "VMs " + size(vms.memory), Spark: spark("Memory", m.whole.memory, m.sum.memory, float64(u.MemoryBytes), wide(), size)},
		{Name: "Disk", Now: size(taken), Of: "of " + size(float64(u.DiskBytes)), Note: "running VMs " + size(vms.disk), Spark: spark("Disk", m.whole.disk, m.sum.disk, float64(u.DiskBytes), wide(), size)},
		net,
	}
	if len(m.vms) == 0 {
		for i := range cards {
			cards[i].Note = "no running VM"
		}
	}
	return cards
}

func unmeasured(host api.HostStats) usageView {
	card := func(name, vms string, used, all int64) usageCard {
		c := usageCard{Name: name, Now: noValue, Note: vms + " " + noValue}
		if all > 0 {
			c.Now, c.Of = size(float64(used)), "of "+size(float64(all))
		}
		return c
	}
	cpu := usageCard{Name: "CPU", Now: noValue, Note: "VMs " + noValue}
	if host.CPUs > 0 {
		cpu.Of = "of " + fault.Count(host.CPUs, "CPU")
	}
	return usageView{
		cpu,
		card("Memory", "VMs", host.MemoryBytes-host.MemoryAvailableBytes, host.MemoryBytes),
		card("Disk", "running VMs", host.DiskBytes-host.DiskAvailableBytes, host.DiskBytes),
		card("Network", "VMs", 0, 0),
	}
}

// of is what a VM takes, as it was last measured, and its curves.
func (m *meter) of(id string) (client.Usage, curves, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.vms[id]
	if !ok || !m.fresh() {
		return client.Usage{}, curves{}, false
	}
	c := v.curves
	for _, curve := range []*[]float64{&c.cpu, &c.memory, &c.disk, &c.io, &c.net} {
		*curve = slices.Clone(*curve)
	}
	return v.usage, c, true
}

func (m *meter) load(id string) loadView {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.vms[id]
	if !ok || !m.fresh() {
		return loadView{}
	}
	l := loadView{Memory: size(float64(v.usage.HostMemoryBytes)), CPU: noValue}
	if u := v.usage; u.CPUPercent != nil {
		l.CPU, l.Spark = percent(*u.CPUPercent), spark("CPU of "+u.Name, v.curves.cpu, nil, 100, small(), percent)
	}
	return l
}

func percent(v float64) string   { return fmt.Sprintf("%.0f %%", v) }
func size(v float64) string      { return fault.Bytes(int64(v)) }
func perSecond(v float64) string { return size(v) + "/s" }

// box is the view box of a curve.
type box struct{ width, height float64 }

// wide is the curve of a card, small that of a row, broad that of a page.
func wide() box  { return box{120, 36} }
func small() box { return box{56, 18} }
func broad() box { return box{300, 48} }

// spark draws a curve from 0 to the most of it, and at least to least; part is how much
// of it VMs are.
func spark(what string, curve, part []float64, least float64, b box, words func(float64) string) sparkView {
	if len(curve) < 2 {
		return sparkView{}
	}
	top := math.Max(slices.Max(append([]float64{least}, part...)), slices.Max(curve))
	v := sparkView{
		Width: b.width, Height: b.height, Line: lineOf(curve, top, b),
		Says: fmt.Sprintf("%s, last minutes: now %s, peak %s", what, words(curve[len(curve)-1]), words(slices.Max(curve))),
	}
	area := v.Line
	if len(part) > 1 {
		v.Part = lineOf(part, top, b)
		v.Says += ", of which VMs " + words(part[len(part)-1])
		area = v.Part
	}
	v.Area = fmt.Sprintf("%sL%g %gL0 %gZ", area, b.width, b.height, b.height)
	return v
}

func lineOf(curve []float64, top float64, b box) string {
	var line strings.Builder
	for i, v := range curve {
		x, y := b.width*float64(i)/float64(len(curve)-1), b.height-1
		if top > 0 {
			y -= (b.height - 3) * v / top
		}
		fmt.Fprintf(&line, "%c%.1f %.1f", "ML"[min(i, 1)], x, y)
	}
	return line.String()
}
