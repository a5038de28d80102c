package web

import (
	"context"
	"net/http"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
)

// pruneView is the body of the page of the disk: what takes it, and what a prune removes.
type pruneView struct {
	Usage   api.DiskUsage
	All     bool
	Goes    api.Pruned
	Command string
}

func (c *Console) prunePage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "prune", func(ctx context.Context, s *shell) error {
		s.Title, s.Section = "Disk", "images"
		view := pruneView{All: r.URL.Query().Get("all") != ""}
		args := []string{"system", "prune"}
		if view.All {
			args = append(args, "--"+"all")
		}
		view.Command = cmdline.Typed(args...)
		var err error
		if view.Usage, err = c.api.DiskUsage(ctx); err != nil {
			return err
		}
		view.Goes, err = c.api.Prunable(ctx, api.Prune{All: view.All})
		s.Body = view
		return err
	})
}

func (c *Console) prune(w http.ResponseWriter, r *http.Request) {
	op, err := c.api.Prune(r.Context(), api.Prune{All: r.PostForm.Get("all") != ""})
	c.done(w, r, operationPath(op.ID), "", err)
}
