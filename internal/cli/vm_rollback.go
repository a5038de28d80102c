package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (a *App) vmRollbackCommand() *cobra.Command {
	return a.goBackCommand(&cobra.Command{
		Use: "rollback NAME [SNAPSHOT]", Short: "Put a VM's disk back to a snapshot, and keep what it was",
		Long: "Put a VM's disk back to a snapshot, by default the latest that you took. What the VM was becomes a snapshot of its\n" +
			"own, so nothing is lost. A running VM is stopped, and started again.",
		Example: "  banger vm rollback box\n  banger vm rollback box before-upgrade --no-start",
		Args:    args(1, 2, whichSnapshot), ValidArgsFunction: a.snapshotNames(2),
	})
}

func (a *App) snapshotRestoreCommand() *cobra.Command {
	return a.goBackCommand(&cobra.Command{
		Use: "restore NAME SNAPSHOT", Short: "Put a VM's disk back to a snapshot, as rollback does",
		Example: "  banger vm snapshot restore box before-upgrade\n  banger vm snapshot restore box before-upgrade --no-start",
		Args:    args(2, 2, whichSnapshot), ValidArgsFunction: a.snapshotNames(2),
	})
}

func (a *App) goBackCommand(cmd *cobra.Command) *cobra.Command {
	var req api.RollbackVM
	var f *format
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if len(given) > 1 {
			req.Snapshot = given[1]
		}
		return a.vmRollback(cmd.Context(), given[0], req, *f)
	}
	cmd.Flags().BoolVar(&req.NoStart, "no-start", false, "leave a VM stopped that was running")
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmRollback(ctx context.Context, vm string, req api.RollbackVM, f format) error {
	done, err := followed[api.RolledBackVM](ctx, a, func(ctx context.Context, c *client.Client) (api.Operation, error) {
		return c.RollbackVM(ctx, vm, req)
	})
	switch {
	case err != nil:
		return err
	case a.quiet || f == formatName:
		return a.print(done.VM.Name + "\n")
	case f != formatTable:
		return a.printValue(f, done)
	}
	text := done.VM.Name + " is back at " + snapshotLabel(done.Snapshot) + "\n" +
		"what it was is kept as " + done.Kept.Name + "\n"
	if done.VM.State == api.VMStopped {
		text += "start it with: " + cmdline.Line(act.VMStart.On(done.VM.Name)) + "\n"
	}
	return a.print(text)
}
