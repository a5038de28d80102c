package gitrepo

import (
	"context"

	"github.com/bangervm/banger/internal/workspace"
)

// SetStep calls f before each thing that is done to a work tree.
func (g *Git) SetStep(f func()) { g.step = f }

// SetUnsafe leaves out what only a machine that crashes needs: a process that
// is killed takes nothing with it that was written.
func (g *Git) SetUnsafe() { g.flush = func(string) error { return nil } }

// AsFault is asFault.
var AsFault = asFault

// SetTrimAbove says how much that nothing needs may stay in a vault, in bytes.
func (g *Git) SetTrimAbove(n int64) { g.trimAbove = n }

// Verify checks a file as if Write had written it.
func (g *Git) Verify(ctx context.Context, req workspace.WriteRequest, file string) error {
	git, err := g.alone(req.Vault)
	if err != nil {
		return err
	}
	w := &writer{git: git, limits: g.limits, req: req}
	return w.verify(ctx, file)
}
