package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (a *App) vmSnapshotCommand() *cobra.Command {
	return a.group("snapshot", "Manage snapshots of VMs",
		"Manage snapshots. A snapshot is a VM's disk as it was: `banger vm rollback` goes back to it, and\n"+
			"`banger vm fork --from` makes VMs of it. Snapshots are deleted with their VM.\n\n"+
			"SNAPSHOT is the name of a snapshot, or its ID.",
		a.snapshotCreateCommand(), a.snapshotListCommand(), a.snapshotShowCommand(), a.snapshotDiffCommand(),
		a.snapshotRestoreCommand(), a.snapshotDeleteCommand(), a.snapshotPruneCommand())
}

const whichSnapshot = "the NAME of a VM and a SNAPSHOT"

// snapshotNames completes the name of a VM, and then of its snapshots, at most most
// arguments in all (below 0: any number).
func (a *App) snapshotNames(most int) completer {
	vms := a.vmNames(1)
	return func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) == 0 {
			return vms(cmd, given, prefix)
		}
		return a.names(most, func(ctx context.Context, c *client.Client) ([]string, error) {
			all, err := c.ListSnapshots(ctx, given[0])
			var names []string
			for _, s := range slices.Backward(all) {
				names = append(names, cobra.CompletionWithDesc(snapshotLabel(s), snapshotNote(s)))
			}
			return names, err
		})(cmd, given, prefix)
	}
}

// snapshotLabel names a snapshot whose name may not be known.
func snapshotLabel(s api.Snapshot) string {
	if s.Name == "" {
		return s.ID
	}
	return s.Name
}

func snapshotNote(s api.Snapshot) string {
	switch {
	case s.Damaged != "":
		return "damaged"
	case s.Work == api.WorkspaceChanged && s.Origin == api.SnapshotOfRollback:
		return "unexported work; " + s.Note
	default:
		return s.Note
	}
}

func snapshotWork(s api.Snapshot) string {
	switch s.Work {
	case api.WorkspaceChanged:
		return s.Workspace + " with unexported changes"
	case api.WorkspaceUnknown:
		return s.Workspace + ", perhaps with unexported changes"
	default:
		return s.Workspace
	}
}

func snapshotView(now time.Time) view[api.Snapshot] {
	return view[api.Snapshot]{
		name: snapshotLabel,
		columns: []column[api.Snapshot]{
			{head: "NAME", cell: snapshotLabel},
			{head: "AGE", cell: func(s api.Snapshot) string {
				if s.CreatedAt.IsZero() {
					return ""
				}
				return ageText(now, s.CreatedAt)
			}},
			{head: "DISK", cell: func(s api.Snapshot) string { return bytesText(s.DiskBytes) }},
			{head: "SIZE", cell: func(s api.Snapshot) string { return bytesText(s.SizeBytes) }},
			{head: "NOTE", cell: snapshotNote},
		},
		fields: []column[api.Snapshot]{
			{head: "name", cell: func(s api.Snapshot) string { return s.Name }},
			{head: "id", cell: func(s api.Snapshot) string { return s.ID }},
			{head: "vm", cell: func(s api.Snapshot) string { return s.VM }},
			{head: "note", cell: func(s api.Snapshot) string { return s.Note }},
			{head: "damaged", cell: func(s api.Snapshot) string { return s.Damaged }},
			{head: "created", cell: func(s api.Snapshot) string { return timeText(&s.CreatedAt) }},
			{head: "of", cell: func(s api.Snapshot) string {
				if s.Live {
					return "the disk of a running VM"
				}
				return "the disk"
			}},
			{head: "image", cell: func(s api.Snapshot) string { return strings.TrimSpace(s.ImageDigest + " (" + idText(s.ImageID) + ")") }},
			{head: "kernel", cell: func(s api.Snapshot) string { return s.Kernel }},
			{head: "disk", cell: func(s api.Snapshot) string { return bytesText(s.DiskBytes) }},
			{head: "size", cell: func(s api.Snapshot) string { return bytesText(s.SizeBytes) + " on the host" }},
			{head: "workspace", cell: snapshotWork},
		},
	}
}

func (a *App) snapshotCreateCommand() *cobra.Command {
	var req api.CreateSnapshot
	var f *format
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Take a snapshot of a VM's disk",
		Long: "Take a snapshot of a stopped VM's disk. It takes no space for what the disk still shares with it where the\n" +
			"filesystem has reflinks (btrfs, XFS); elsewhere it is a copy without holes.\n\n" +
			"With --disk-only the VM may be running: its guest writes what it holds back, and is paused while the disk is\n" +
			"copied. After a rollback such a disk is as after a power cut at that moment.",
		Example: "  banger vm stop box && banger vm snapshot create box --name before-upgrade\n  banger vm snapshot create box --disk-only --note \"tests pass\"",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.snapshotCreate(cmd.Context(), given[0], req, *f)
		},
	}
	flagInto(cmd, &req.Name, "name", "NAME", "name of the snapshot (default: one with the time)", notEmpty)
	cmd.Flags().StringVar(&req.Note, "note", "", "`TEXT` to remember it by (default: none)")
	cmd.Flags().BoolVar(&req.DiskOnly, "disk-only", false, "also of a running VM, whose memory is not kept")
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func (a *App) snapshotCreate(ctx context.Context, vm string, req api.CreateSnapshot, f format) error {
	made, err := followed[api.Snapshot](ctx, a, func(ctx context.Context, c *client.Client) (api.Operation, error) {
		return c.CreateSnapshot(ctx, vm, req)
	})
	switch {
	case err != nil:
		return err
	case a.quiet:
		return a.print(made.Name + "\n")
	case f != formatTable:
		return snapshotView(time.Now()).show(a, f, made)
	}
	return a.print("took snapshot " + made.Name + " of " + made.VM + " (" + bytesText(made.SizeBytes) + ")\n")
}

// followed does an operation, shows its stages, and returns its result.
func followed[T any](ctx context.Context, a *App, begin func(context.Context, *client.Client) (api.Operation, error)) (T, error) {
	var none T
	c, err := a.daemon(ctx)
	if err != nil {
		return none, err
	}
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return begin(ctx, c) }, show.update)
	show.close()
	if err != nil {
		return none, err
	}
	return client.Result[T](op)
}

func (a *App) snapshotListCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "list NAME", Aliases: []string{"ls"}, Short: "List the snapshots of a VM, oldest first",
		Long: "List the snapshots of a VM, oldest first. SIZE is what a snapshot takes on the host's disk besides what it\n" +
			"shares with the VM and later snapshots.",
		Example: "  banger vm snapshot list box\n  banger vm snapshot list box -o json",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return listAll(cmd.Context(), a, *f, snapshotView(time.Now()), func(c *client.Client, ctx context.Context) ([]api.Snapshot, error) {
				return c.ListSnapshots(ctx, given[0])
			})
		},
	}
	f = listFormatFlag(cmd)
	return cmd
}

func (a *App) snapshotShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "show NAME SNAPSHOT", Short: "Show a snapshot",
		Example: "  banger vm snapshot show box before-upgrade\n  banger vm snapshot show box before-upgrade -o json",
		Args:    args(2, 2, whichSnapshot), ValidArgsFunction: a.snapshotNames(2),
		RunE: func(cmd *cobra.Command, given []string) error {
			return showOne(cmd.Context(), a, *f, snapshotView(time.Now()), func(c *client.Client, ctx context.Context, name string) (api.Snapshot, error) {
				return c.GetSnapshot(ctx, given[0], name)
			}, given[1])
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) snapshotDeleteCommand() *cobra.Command {
	var discard bool
	cmd := &cobra.Command{
		Use: "delete NAME SNAPSHOT...", Aliases: []string{"rm"}, Short: "Delete snapshots",
		Long: "Delete snapshots.\n\nUse --discard-work for one that a rollback left and whose workspace may have unexported changes.",
		Example: "  banger vm snapshot delete box before-upgrade\n" +
			"  banger vm snapshot rm box --discard-work before-rollback-20260102-030405",
		Args: args(2, -1, whichSnapshot), ValidArgsFunction: a.snapshotNames(-1),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range given[1:] {
				if _, err := c.DeleteSnapshot(cmd.Context(), given[0], name, discard); err != nil {
					return err
				}
				if err := a.print("deleted " + name + "\n"); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&discard, "discard-work", false, "also delete unexported changes that only the snapshot has")
	return cmd
}
