package cli

import (
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// bootText is how the last start went, on one line.
func bootText(t *api.BootTimeline) string {
	if t == nil {
		return ""
	}
	var points []string
	for _, p := range []struct {
		name string
		ms   float64
	}{
		{"monitor", t.MonitorMS}, {"vmm", t.VMMMS}, {"connected", t.ConnectedMS}, {"configured", t.ConfiguredMS}, {"ready", t.ReadyMS},
	} {
		if p.ms > 0 {
			points = append(points, p.name+" "+strconv.FormatFloat(p.ms, 'f', 0, 64)+" ms")
		}
	}
	return strings.Join(append([]string{t.How + " boot on " + t.Driver}, points...), ", ")
}
