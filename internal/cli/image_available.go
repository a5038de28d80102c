package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func availableImageView() view[api.AvailableImage] {
	sized := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return bytesText(n)
	}
	return view[api.AvailableImage]{
		name: func(i api.AvailableImage) string { return i.Name },
		columns: []column[api.AvailableImage]{
			{head: "NAME", cell: func(i api.AvailableImage) string { return i.Name }},
			{head: "STATE", cell: func(i api.AvailableImage) string {
				if i.State == "taken" {
					return "name taken"
				}
				return i.State
			}},
			{head: "REF", cell: func(i api.AvailableImage) string { return cmp.Or(i.Ref, "build it: "+i.Make) }},
			{head: "KERNEL", cell: func(i api.AvailableImage) string { return cmp.Or(i.Kernel, i.PreferKernel, "-") }},
			{head: "MEMORY", cell: func(i api.AvailableImage) string { return sized(i.MemoryBytes) }},
			{head: "DISK", cell: func(i api.AvailableImage) string { return sized(i.DiskBytes) }},
			{head: "CATALOG", cell: func(i api.AvailableImage) string { return cmp.Or(i.Catalog, "built in") }},
			{head: "DESCRIPTION", cell: func(i api.AvailableImage) string { return i.Description }},
		},
	}
}

func (a *App) availableImages(ctx context.Context, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	found, err := c.AvailableImages(ctx)
	if err != nil {
		return err
	}
	for _, problem := range found.Problems {
		a.say("warning: " + problem)
	}
	return availableImageView().list(a, f, found.Items)
}

// completePull completes names in catalogs, and what is a path on this host.
func (a *App) completePull(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	refs, how := completeRef(cmd, given, prefix)
	known := a.names(1, func(ctx context.Context, c *client.Client) ([]string, error) {
		found, err := c.AvailableImages(ctx)
		var names []string
		for _, i := range found.Items {
			if i.Ref != "" {
				names = append(names, cobra.CompletionWithDesc(i.Name, i.Ref))
			}
		}
		return names, err
	})
	names, _ := known(cmd, given, prefix)
	return append(names, refs...), how
}
