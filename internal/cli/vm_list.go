package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
)

type vmListOptions struct {
	all    bool
	labels *pairs
	format *format
}

func (a *App) vmListCommand() *cobra.Command {
	var opts vmListOptions
	cmd := &cobra.Command{
		Use:               "list",
		Aliases:           []string{"ls"},
		Short:             "List VMs",
		Long:              "List running and failed VMs; with --all, stopped ones too.",
		Args:              args(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.vmList(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.all, "all", "a", false, "include stopped VMs")
	opts.labels = labelFilter(cmd, "only VMs with this label (`KEY` or KEY=VALUE); repeatable")
	opts.format = listFormatFlag(cmd)
	return cmd
}

func (a *App) vmList(ctx context.Context, opts vmListOptions) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	vms, err := c.ListVMs(ctx, opts.labels.asMap())
	if err != nil {
		return err
	}
	shown := make([]api.VM, 0, len(vms))
	for _, v := range vms {
		if opts.all || v.State != vmStopped {
			shown = append(shown, v)
		}
	}
	if err := vmView(time.Now()).list(a, *opts.format, shown); err != nil {
		return err
	}
	if hidden := len(vms) - len(shown); hidden > 0 && *opts.format == formatTable && isTerminal(a.Err) {
		a.say(plural(hidden, "stopped VM") + " not shown (--all)")
	}
	return nil
}

func (a *App) vmShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show VM details",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			ctx := cmd.Context()
			c, err := a.daemon(ctx)
			if err != nil {
				return err
			}
			v, err := c.GetVM(ctx, given[0])
			if err != nil {
				return err
			}
			return vmView(time.Now()).show(a, *f, v)
		},
	}
	f = formatFlag(cmd)
	return cmd
}
