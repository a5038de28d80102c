package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
)

func (a *App) vmCommitCommand() *cobra.Command {
	var replace bool
	var f *format
	cmd := &cobra.Command{
		Use:   "commit NAME IMAGE",
		Short: "Make an image of a stopped VM",
		Long: "Make an image of a stopped VM: its files with all changes, /root and /home too, and the configuration\n" +
			"of the image it was made from. The data of docker and containerd, the VM's hostname, machine ID and SSH\n" +
			"host keys, and the files placed by [[file]] in config.toml are not in it.\n\n" +
			"The new image keeps what the VM changed as a layer over the layers of its image, for `banger image save`.\n\n" +
			"Whoever gets the image can read all that is in it, secrets too.",
		Example: "  banger vm stop box && banger vm commit box box-ready\n  banger vm commit --replace box base",
		Args:    args(2, 2, "the NAME of a VM and the name of the new IMAGE"), ValidArgsFunction: a.vmNames(1, api.VMStopped, api.VMFailed),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.vmCommit(cmd.Context(), given[0], api.CommitVM{Image: given[1], Replace: replace}, *f)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "take the name from another image, which stays for the VMs that use it")
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmCommit(ctx context.Context, name string, req api.CommitVM, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return c.CommitVM(ctx, name, req) }, show.update)
	show.close()
	if err != nil {
		return err
	}
	return a.tellImage("made", op, f)
}
