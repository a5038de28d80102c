package gitrepo

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gitvault"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// elsewhere names the branches that the guest has commits on, but for those
// that it was sent, and the linked work trees with changes.
func (c *collector) elsewhere(ctx context.Context, r agentrpc.WorkspaceRepo) ([]string, error) {
	var names, ids, linked []string
	for _, line := range r.Elsewhere {
		if tree, ok := strings.CutPrefix(line, agentrpc.LinkedWorkTree); ok && len(linked) < maxElsewhere {
			linked = append(linked, workspace.Uncommitted+hostgit.Printable(tree))
			continue
		}
		ref, id, _ := strings.Cut(line, " ")
		if ref != "refs/stash" && !validRef(ref) || !gitvault.IsObject(id) || len(ids) == maxElsewhere {
			continue
		}
		names, ids = append(names, showable(strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/"))), append(ids, id)
	}
	if len(ids) == 0 {
		return linked, nil
	}
	sent, err := c.present(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, id := range ids {
		if !slices.Contains(sent, id) {
			name := names[i]
			if len(r.Path) > 0 {
				name = hostgit.Printable(string(r.Path)) + ":" + name
			}
			out = append(out, name)
		}
	}
	return append(out, linked...), nil
}

// maxElsewhere bounds the branches that are named.
const maxElsewhere = 100

// showable is a name without what could be taken for something else on a
// screen: a branch with a strange name is still one with work on it.
func showable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(name, "?"))
}
