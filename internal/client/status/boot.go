package status

import (
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
)

// Boot is how the last start of a VM went, on one line; empty: it is not known.
func Boot(t *api.BootTimeline) string {
	if t == nil {
		return ""
	}
	points := []string{how(t) + " on " + t.Driver}
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
	return strings.Join(points, ", ")
}

// how is how it came to run, in words.
func how(t *api.BootTimeline) string {
	switch {
	case t.NotRestored != "":
		return t.How + " boot (not from the template: " + t.NotRestored + ")"
	case t.How == "template":
		return "from a template"
	default:
		return t.How + " boot"
	}
}
