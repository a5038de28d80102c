package vm

import (
	"context"
	"errors"

	"github.com/bangervm/banger/internal/fault"
)

// findKernel is the one that is asked for, or the image's, or the configured one, or the one
// that suits the image if that is local, or the newest.
func (c *creation) findKernel(ctx context.Context, img Image) (Kernel, error) {
	name := img.Kernel
	if name != "" && c.req.Kernel == nil {
		k, err := c.s.deps.Kernels.OfImage(ctx, img.ID)
		if !errors.Is(err, fault.NotFound) {
			return k, err
		}
	}
	if name == "" {
		name = c.defaults.Kernel
	}
	if name == "" && c.req.Kernel == nil && img.PreferKernel != "" {
		k, err := c.s.deps.Kernels.Local(ctx, img.PreferKernel)
		if !errors.Is(err, fault.NotFound) {
			return k, err
		}
	}
	return c.s.deps.Kernels.Obtain(ctx, valueOr(c.req.Kernel, name), c.p)
}
