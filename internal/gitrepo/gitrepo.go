// Package gitrepo copies the user's work trees to guests, and the changes made to
// them back, with the git executable of the host.
//
//   - pack*.go reads a work tree and sends it. Nothing in it changes.
//   - collect*.go: what a guest sends goes into the vault. Its git packs objects,
//     or, without git, its files are listed (collect_listing*.go).
//   - export*.go: what differs becomes a patch, a mailbox or a bundle, and is
//     verified before anyone gets it.
//
// The vaults are gitvault's. A patch is applied by gitapply.
package gitrepo

import (
	"context"

	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// Git implements workspace.Git with the git executable of the host.
type Git struct {
	host *hostgit.Host
	// trimAbove is how much that nothing needs may stay in a vault, in bytes.
	trimAbove int64
}

var _ workspace.Git = (*Git)(nil)

// New returns a Git within the limits of host.
func New(host *hostgit.Host) *Git { return &Git{host: host, trimAbove: 64 << 20} }

// Trim implements workspace.Git.
func (g *Git) Trim(ctx context.Context, vault string, roots []string) error {
	return gitvault.Trim(ctx, g.host, vault, roots, g.trimAbove)
}
