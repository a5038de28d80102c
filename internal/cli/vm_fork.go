package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) vmForkCommand() *cobra.Command {
	var req api.ForkVM
	var wait *optional[string]
	var noStart bool
	var f *format
	cmd := &cobra.Command{
		Use: "fork NAME", Short: "Make VMs with a copy of a VM's disk",
		Long: "Make VMs with a copy of a stopped VM's disk, or of a snapshot. They have the image, kernel, size, egress policy,\n" +
			"group, environment and ports policy of the VM, its workspace too, and an identity of their own: name, addresses,\n" +
			"keys, token and machine ID. Published ports stay with the VM.\n\n" +
			"Files that banger placed, such as credentials, are emptied in the copies, and none are placed, unless you use\n" +
			"--with-files. Other secrets on the disk are copied.",
		Example: "  banger vm fork box --name try --count 3\n  banger vm fork box --from before-upgrade --no-start",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			start := !noStart
			req.Start, req.Wait = &start, wait.or("")
			return a.vmFork(cmd.Context(), given[0], req, *f)
		},
	}
	flagInto(cmd, &req.Name, "name", "NAME", "name of the copy; with --count NAME-1, NAME-2, … (default: the VM's with -fork-N)", notEmpty)
	flagInto(cmd, &req.Count, "count", "N", "number of copies (default 1)", parseForkCount)
	cmd.Flags().StringVar(&req.From, "from", "", "`SNAPSHOT` to copy (default: the disk as it is)")
	cmd.Flags().BoolVar(&req.WithFiles, "with-files", false, "place files, such as credentials, as in other VMs")
	cmd.Flags().BoolVar(&req.DiskOnly, "disk-only", false, "also of a running VM, which is paused while its disk is copied")
	cmd.Flags().BoolVar(&noStart, "no-start", false, "do not start the copies")
	wait = waitFlag(cmd)
	a.coldFlag(cmd)
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func parseForkCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Invalid, "a count of %q is not valid", text).WithHint("a number from 1")
	}
	return n, nil
}

func (a *App) vmFork(ctx context.Context, vm string, req api.ForkVM, f format) error {
	made, err := followed[api.List[api.VM]](ctx, a, func(ctx context.Context, c *client.Client) (api.Operation, error) {
		return c.ForkVM(ctx, vm, req)
	})
	if err != nil {
		return err
	}
	if a.quiet {
		f = formatName
	}
	return vmView(time.Now()).list(a, f, made.Items)
}
