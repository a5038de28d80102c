package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// timeline is boot_timeline of `vm show`: how, the driver, and milliseconds by point.
type timeline map[string]any

// timelinePoints are the points in their order.
func timelinePoints() []string {
	return []string{"monitor", "vmm", "connected", "configured", "ready"}
}

func (b *bench) keepTimeline(ctx context.Context, name string) error {
	out, err := b.banger(ctx, "vm", "show", name, "-o", "json")
	if err != nil {
		return err
	}
	var vm struct {
		Boot timeline `json:"boot_timeline"`
	}
	if err := json.Unmarshal([]byte(out), &vm); err != nil {
		return err
	}
	if vm.Boot == nil {
		return fmt.Errorf("%s has no boot_timeline", name)
	}
	b.timelines = append(b.timelines, vm.Boot)
	return nil
}

// reportTimeline prints the medians of each point.
func (b *bench) reportTimeline() error {
	if len(b.timelines) == 0 {
		return nil
	}
	var points []string
	for _, point := range timelinePoints() {
		var all []float64
		for _, t := range b.timelines {
			if ms, ok := t[point+"_ms"].(float64); ok {
				all = append(all, ms)
			}
		}
		if len(all) > 0 {
			slices.Sort(all)
			points = append(points, fmt.Sprintf("%s %.1f", point, all[len(all)/2]))
		}
	}
	first := b.timelines[0]
	_, err := fmt.Fprintf(b.out, "%-22s %v boot on %v, ms since the start began: %s   (%d boots)\n",
		"boot_timeline", first["how"], first["driver"], strings.Join(points, ", "), len(b.timelines))
	return err
}
