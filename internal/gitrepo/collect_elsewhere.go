package gitrepo

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// elsewhere adds the branches and stashes of a repository with commits that were
// not sent to the guest, and the linked work trees with changes.
func (c *collector) elsewhere(ctx context.Context, r agentrpc.WorkspaceRepo, out *workspace.Elsewhere) error {
	var refs, ids []string
	trees := 0
	for _, line := range r.Elsewhere {
		if tree, ok := strings.CutPrefix(line, agentrpc.LinkedWorkTree); ok && trees < agentrpc.MaxElsewhere {
			out.WorkTrees = append(out.WorkTrees, hostgit.Printable(tree))
			trees++
			continue
		}
		ref, id, _ := strings.Cut(line, " ")
		if ref != stashRef && !validRef(ref) || !gitvault.IsObject(id) || len(ids) == agentrpc.MaxElsewhere {
			continue
		}
		refs, ids = append(refs, ref), append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	sent, err := c.present(ctx, ids)
	if err != nil {
		return err
	}
	dir := hostgit.Printable(string(r.Path))
	for i, ref := range refs {
		name := hostgit.Printable(strings.TrimPrefix(ref, "refs/heads/"))
		switch {
		case slices.Contains(sent, ids[i]):
		case ref == stashRef:
			out.Stashes = append(out.Stashes, cmp.Or(dir, "."))
		case dir != "":
			out.Branches = append(out.Branches, dir+":"+name)
		default:
			out.Branches = append(out.Branches, name)
		}
	}
	return nil
}

const stashRef = "refs/stash"
