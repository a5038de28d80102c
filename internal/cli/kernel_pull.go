package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (a *App) kernelPullCommand() *cobra.Command {
	var force bool
	var f *format
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Pull a kernel from a catalog",
		Long: "Pull a kernel from the built-in catalog, or one that config.toml adds. The download is verified; see `banger kernel\n" +
			"show`. An interrupted pull resumes.",
		Example: "  banger kernel pull debian-12\n  banger kernel pull debian-12 --force",
		Args:    args(1, 1, "the NAME of a kernel in a catalog"),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			return a.makeKernel(cmd.Context(), c, *f, "pulled", func(ctx context.Context) (api.Operation, error) {
				return c.PullKernel(ctx, api.PullKernel{Name: given[0], Force: force})
			})
		},
		ValidArgsFunction: a.availableKernelNames(),
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a local kernel with this name; existing VMs keep theirs")
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func availableView() view[api.AvailableKernel] {
	return view[api.AvailableKernel]{
		name: func(k api.AvailableKernel) string { return k.Name },
		columns: []column[api.AvailableKernel]{
			{head: "NAME", cell: func(k api.AvailableKernel) string { return k.Name }},
			{head: "STATE", cell: func(k api.AvailableKernel) string {
				if k.Needs != "" {
					return "needs " + k.Needs
				}
				return k.State
			}},
			{head: "VERSION", cell: func(k api.AvailableKernel) string { return k.Version }},
			{head: "DOWNLOAD", cell: func(k api.AvailableKernel) string { return bytesText(k.SizeBytes) }},
			{head: "FROM", cell: func(k api.AvailableKernel) string { return k.From }},
			{head: "CATALOG", cell: func(k api.AvailableKernel) string {
				if k.Catalog == "" {
					return "built in"
				}
				return k.Catalog
			}},
			{head: "DESCRIPTION", cell: func(k api.AvailableKernel) string { return k.Description }},
		},
	}
}

func (a *App) availableKernels(ctx context.Context, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	found, err := c.AvailableKernels(ctx)
	if err != nil {
		return err
	}
	for _, problem := range found.Problems {
		a.say("warning: " + problem)
	}
	return availableView().list(a, f, found.Items)
}

// availableKernelNames completes the names of kernels that can be pulled.
func (a *App) availableKernelNames() completer {
	return a.names(1, func(ctx context.Context, c *client.Client) ([]string, error) {
		found, err := c.AvailableKernels(ctx)
		var names []string
		for _, k := range found.Items {
			if k.Needs == "" {
				names = append(names, cobra.CompletionWithDesc(k.Name, k.State))
			}
		}
		return names, err
	})
}
