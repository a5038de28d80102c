package web

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// usageView are the cards of what VMs take.
type usageView []usageCard

type usageCard struct {
	Name, Now, Of, Note string
	Spark               sparkView
}

// sparkView is a curve of the last minutes; without a path there is none yet.
type sparkView struct {
	Area, Line, Says string
	Width, Height    float64
}

// loadView is what one VM takes; empty: not known.
type loadView struct {
	CPU, Memory string
	Spark       sparkView
}

func (m *meter) view() usageView {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sum()
	cards := usageView{
		{Name: "CPU", Now: percent(s.cpu), Note: "of " + fault.Count(int(s.vcpu), "vCPU"), Spark: spark("CPU of VMs", m.totals["cpu"], 100*s.vcpu, wide(), percent)},
		{Name: "Memory", Now: size(s.memory), Note: "of " + size(s.limit), Spark: spark("Memory of VMs", m.totals["memory"], s.limit, wide(), size)},
		{Name: "Disk", Now: size(s.disk), Note: "disks of running VMs", Spark: spark("Disk of VMs", m.totals["disk"], 0, wide(), size)},
		{Name: "Network", Now: size(s.in) + "/s", Of: "in", Note: size(s.out) + "/s out", Spark: spark("Network of VMs", m.totals["net"], 0, wide(), perSecond)},
	}
	if len(m.usage) == 0 {
		for i := range cards {
			cards[i].Now, cards[i].Of, cards[i].Note = "–", "", "no running VM measured"
		}
	}
	return cards
}

func (m *meter) load(id string) loadView {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.usage[id]
	if !ok {
		return loadView{}
	}
	l := loadView{Memory: size(float64(u.HostMemoryBytes)), CPU: "–"}
	if u.CPUPercent != nil {
		l.CPU, l.Spark = percent(*u.CPUPercent), spark("CPU of "+u.Name, m.cpu[id], 100, small(), percent)
	}
	return l
}

func percent(v float64) string   { return fmt.Sprintf("%.0f %%", v) }
func size(v float64) string      { return fault.Bytes(int64(v)) }
func perSecond(v float64) string { return size(v) + "/s" }

// box is the view box of a curve.
type box struct{ width, height float64 }

// wide is the curve of a card, small that of a row.
func wide() box  { return box{120, 36} }
func small() box { return box{56, 18} }

// spark draws a curve from 0 to the most of it, and at least to least.
func spark(what string, curve []float64, least float64, b box, words func(float64) string) sparkView {
	if len(curve) < 2 {
		return sparkView{}
	}
	top := math.Max(slices.Max(curve), least)
	var line strings.Builder
	for i, v := range curve {
		x, y := b.width*float64(i)/float64(len(curve)-1), b.height-1
		if top > 0 {
			y -= (b.height - 3) * v / top
		}
		fmt.Fprintf(&line, "%c%.1f %.1f", "ML"[min(i, 1)], x, y)
	}
	return sparkView{
		Width: b.width, Height: b.height, Line: line.String(), Area: fmt.Sprintf("%sL%g %gL0 %gZ", line.String(), b.width, b.height, b.height),
		Says: fmt.Sprintf("%s, last minutes: now %s, peak %s", what, words(curve[len(curve)-1]), words(slices.Max(curve))),
	}
}
