package gitrepo

import (
	"context"

	"github.com/bangervm/banger/internal/workspace"
)

// SetTrimAbove says how much that nothing needs may stay in a vault, in bytes.
func (g *Git) SetTrimAbove(n int64) { g.trimAbove = n }

// Verify checks a file as if Write had written it.
func (g *Git) Verify(ctx context.Context, req workspace.WriteRequest, file string) error {
	git, err := g.host.Vault(req.Vault)
	if err != nil {
		return err
	}
	w := &writer{git: git, limits: g.host.Limits, req: req}
	return w.verify(ctx, file)
}
