package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (a *App) vmProtectCommand() *cobra.Command {
	return a.protectionCommand("protect", "Protect VMs from deletion",
		"Protect VMs from deletion. `banger rm` refuses to delete a protected VM, even with --force.", "protected", true)
}

func (a *App) vmUnprotectCommand() *cobra.Command {
	return a.protectionCommand("unprotect", "Allow the deletion of protected VMs", "Allow the deletion of VMs that `banger vm protect` protected.", "unprotected", false)
}

func (a *App) protectionCommand(verb, short, long, did string, on bool) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " NAME...",
		Short:             short,
		Long:              long,
		Example:           "  banger vm " + verb + " box\n  banger vm " + verb + " web db",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVMAtOnce(cmd.Context(), names, did, func(ctx context.Context, c *client.Client, name string) (api.VM, error) {
				return c.UpdateVM(ctx, name, api.UpdateVM{Protected: &on})
			})
		},
	}
}

func (a *App) vmRenameCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "rename OLD NEW",
		Short:             "Rename a stopped VM",
		Example:           "  banger vm rename box web\n  banger vm stop box && banger vm rename box web",
		Args:              args(2, 2, "the OLD name of a VM and its NEW name"),
		ValidArgsFunction: a.vmNames(1, api.VMStopped, api.VMFailed),
		RunE: func(cmd *cobra.Command, given []string) error {
			name, err := notEmpty(given[1])
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			c, err := a.daemon(ctx)
			if err != nil {
				return err
			}
			if _, err := c.UpdateVM(ctx, given[0], api.UpdateVM{Name: &name}); err != nil {
				return err
			}
			return a.print("renamed " + given[0] + " to " + name + "\n")
		},
	}
}
