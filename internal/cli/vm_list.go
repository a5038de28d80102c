package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
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
		Long:              "List VMs. Stopped VMs are listed only with --all.",
		Example:           "  banger vm list\n  banger vm list --all\n  banger vm list --label team=blue -o json",
		Args:              args(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.vmList(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&opts.all, "all", "a", false, "also list stopped VMs")
	opts.labels = labelFilter(cmd, "list only VMs with the label `KEY[=VALUE]` (repeatable)")
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
		if opts.all || v.State != api.VMStopped {
			shown = append(shown, v)
		}
	}
	if err := vmView(time.Now()).list(a, *opts.format, shown); err != nil {
		return err
	}
	if hidden := len(vms) - len(shown); hidden > 0 && *opts.format == formatTable && isTerminal(a.Err) {
		a.say(fault.Count(hidden, "stopped VM") + " not listed (use --all)")
	}
	return nil
}

func (a *App) vmShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show details of a VM",
		Example:           "  banger vm show box\n  banger vm show box -o json",
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
