package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/bangervm/banger/internal/diskuse"
)

// pullShared pulls n images of the base and a small layer each, one after the other into
// one state and cache, beside n times what the base alone took.
func (r *registry) pullShared(ctx context.Context, out io.Writer, dir string, n int, one used) error {
	t := task{name: fmt.Sprintf("%d images that share a base", n), run: func(dir string) error {
		p := newPuller(dir)
		for i := range n {
			tag := fmt.Sprintf("app-%d", i)
			if err := p.pull(ctx, r.ref(tag), tag); err != nil {
				return err
			}
		}
		return nil
	}}
	if err := t.measure(ctx, dir, func(string) error { return nil }); err != nil {
		return fmt.Errorf("%s: %w", t.name, err)
	}
	fmt.Fprintf(out, "%s, 1 run\n", t.name)
	t.print(out)
	got, times := t.used[0], float64(n)
	fmt.Fprintf(out, "  / %d x one pull of the base     %6.2f  CPU %.2f  disk %.2f\n",
		n, got.wall/(times*one.wall), got.cpu/(times*one.cpu), got.disk/(times*one.disk))
	return nil
}

func diskUse(ctx context.Context, dir string) (float64, error) {
	bytes, err := diskuse.New().Add(ctx, filepath.Clean(dir))
	return float64(bytes), err
}
