package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
)

func (a *App) snapshotPruneCommand() *cobra.Command {
	var req api.PruneSnapshots
	var force bool
	var f *format
	cmd := &cobra.Command{
		Use: "prune [NAME]", Short: "Delete the snapshots that rollbacks left, or older ones",
		Long: "Delete the snapshots of a VM, or without NAME of all VMs, that rollbacks left. With --all also delete those that\n" +
			"you took. Snapshots with unexported changes that only they have stay, unless you use --discard-work.",
		Example: "  banger vm snapshot prune --dry-run\n  banger vm snapshot prune box --all --keep 3",
		Args:    args(0, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				req.VM = given[0]
			}
			if !force && !req.DryRun && !isTerminal(a.In) {
				return usagef(cmd, "stdin is not a terminal to confirm at; use --force")
			}
			return a.snapshotPrune(cmd.Context(), req, force, *f)
		},
	}
	cmd.Flags().BoolVarP(&req.All, "all", "a", false, "also delete snapshots that you took")
	cmd.Flags().IntVar(&req.Keep, "keep", 0, "keep the newest `N` of each VM (default 0)")
	cmd.Flags().BoolVar(&req.DiscardWork, "discard-work", false, "also delete unexported changes that only a snapshot has")
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only show what would be deleted")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask for confirmation")
	f = formatFlag(cmd)
	return cmd
}

func (a *App) snapshotPrune(ctx context.Context, req api.PruneSnapshots, force bool, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	if !force && !req.DryRun {
		ask := req
		ask.DryRun = true
		could, err := c.PruneSnapshots(ctx, ask)
		if err != nil {
			return err
		}
		if len(could.Snapshots) == 0 {
			return a.print(prunedSnapshotsText(could, "deletes", "frees"))
		}
		if yes, err := a.confirm(prunedSnapshotsText(could, "deletes", "frees") + "Continue? [y/N] "); err != nil || !yes {
			return err
		}
	}
	done, err := c.PruneSnapshots(ctx, req)
	switch {
	case err != nil:
		return err
	case f != formatTable:
		return a.printValue(f, done)
	case req.DryRun:
		return a.print(prunedSnapshotsText(done, "would delete", "would free"))
	}
	return a.print(prunedSnapshotsText(done, "deleted", "freed"))
}

func prunedSnapshotsText(p api.PrunedSnapshots, deletes, frees string) string {
	var b strings.Builder
	for _, s := range p.Held {
		b.WriteString("kept " + snapshotLabel(s) + " of " + s.VM + ": it has unexported changes; to discard them: " +
			cmdline.Line(act.SnapshotDelete.On(s.VM, act.DiscardWork).To(snapshotLabel(s))) + "\n")
	}
	for _, s := range p.Snapshots {
		b.WriteString(deletes + " " + snapshotLabel(s) + " of " + s.VM + " (" + bytesText(s.SizeBytes) + ")\n")
	}
	if len(p.Snapshots) == 0 {
		return b.String() + "nothing to delete\n"
	}
	return b.String() + frees + " " + bytesText(p.ReclaimedBytes) + "\n"
}
