package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const manyVMs = 1000

// list compares `vm list` with 1,000 VMs in the database with `version`, which
// asks the daemon too: the limit is twice that and 10 ms.
func (b *bench) list(ctx context.Context) error {
	if err := b.manyVMs(ctx, manyVMs); err != nil {
		return err
	}
	out, err := b.banger(ctx, "vm", "list", "--all")
	if err != nil {
		return err
	}
	if got := strings.Count(out, "many-"); got != manyVMs {
		return fmt.Errorf("vm list shows %d of %d VMs", got, manyVMs)
	}
	ours := func() (time.Duration, error) { return b.timedBanger(ctx, "vm", "list", "--all") }
	yardstick := func() (time.Duration, error) { return b.timedBanger(ctx, "version") }
	pairs, err := interleaved(max(31, b.pairs), ours, yardstick)
	if err != nil {
		return err
	}
	version := median(pairs, func(p pair) time.Duration { return p.yardstick })
	limit := 2 + float64(10*time.Millisecond)/float64(version)
	return b.report("vm list of 1,000 VMs", "version", limit, pairs)
}

// manyVMs makes VMs until there are n of them.
func (b *bench) manyVMs(ctx context.Context, n int) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for ; b.made < n; b.made++ {
		name := "many-" + strconv.Itoa(b.made)
		group.Go(func() error {
			_, err := b.banger(groupCtx, "vm", "create", "--no-start", "--name", name, "--image", "busybox")
			return err
		})
	}
	return group.Wait()
}

func stringField(document, key string) (string, error) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		return "", err
	}
	value, ok := fields[key].(string)
	if !ok {
		return "", fmt.Errorf("no %q in %s", key, document)
	}
	return value, nil
}
