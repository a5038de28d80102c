package gitrepo

import (
	"context"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
)

// elsewhere names the branches that the guest has commits on, but for those
// that it was sent.
func (c *collector) elsewhere(ctx context.Context, r agentrpc.WorkspaceRepo) ([]string, error) {
	var names, ids []string
	for _, line := range r.Elsewhere {
		ref, id, _ := strings.Cut(line, " ")
		if ref != "refs/stash" && !safeRef(ref) || !objectName(id) || len(ids) == maxElsewhere {
			continue
		}
		names, ids = append(names, strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/")), append(ids, id)
	}
	if len(ids) == 0 {
		return nil, nil
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
				name = printable(string(r.Path)) + ":" + name
			}
			out = append(out, name)
		}
	}
	return out, nil
}

// maxElsewhere bounds the branches that are named.
const maxElsewhere = 100
