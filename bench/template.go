package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// template compares `vm create`, from the command's start to its end with the VM ready, from a
// template with the same create that boots a kernel. Both have the daemon, the kernel and the
// image ready, and the template has been made.
func (b *bench) template(ctx context.Context) error {
	if b.driver == firecrackerDriver {
		_, err := fmt.Fprintf(b.out, "%-22s skipped: firecracker saves no machines\n", "template")
		return err
	}
	b.templates, b.timelines = true, nil
	defer func() { b.templates, b.timelines = false, nil }()
	if _, err := b.banger(ctx, "vm", "create", "--name", "model", "--image", "busybox", "--init", "agent", "--no-start"); err != nil {
		return err
	}
	if _, err := b.banger(ctx, "template", "build", "model"); err != nil {
		return err
	}
	if _, err := b.banger(ctx, "vm", "delete", "--force", "model"); err != nil {
		return err
	}
	var pairs []pair
	for n := range b.pairs {
		var p pair
		var err error
		b.templates = false
		if p.yardstick, err = b.createAs(ctx, fmt.Sprintf("cold-%d", n), "cold"); err != nil {
			return err
		}
		b.templates = true
		if p.ours, err = b.createAs(ctx, fmt.Sprintf("template-%d", n), "template"); err != nil {
			return err
		}
		pairs = append(pairs, p)
	}
	b.timelines = slices.DeleteFunc(b.timelines, func(t timeline) bool { return t["how"] != "template" })
	if err := b.reportTimeline(); err != nil {
		return err
	}
	return b.report("vm create, template", "the same, cold", 0.40, pairs)
}

// createAs is createOnce of a VM that must have come up in this way.
func (b *bench) createAs(ctx context.Context, name, how string) (took time.Duration, err error) {
	if took, err = b.createOnce(ctx, name); err != nil {
		return 0, err
	}
	if got := b.timelines[len(b.timelines)-1]["how"]; got != how {
		return 0, fmt.Errorf("%s came up by %v, not by %s", name, got, how)
	}
	return took, nil
}
