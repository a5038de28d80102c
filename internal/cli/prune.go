package cli

import (
	"bufio"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

type pruneOptions struct {
	req           api.Prune
	dryRun, force bool
}

func (a *App) systemPruneCommand() *cobra.Command {
	return a.pruneCommand(false, &cobra.Command{
		Short: "Remove unused images and what is only cached",
		Long: "Remove unused images, cached layers, old downloads and templates: images that have lost their name, or with\n" +
			"--all every image that no VM uses, the layers kept for later pulls, unfinished downloads of kernels, and\n" +
			"templates, which banger makes again. VMs and kernels stay.",
		Example: "  banger system prune --dry-run\n  banger system prune --all",
	})
}

func (a *App) imagePruneCommand() *cobra.Command {
	return a.pruneCommand(true, &cobra.Command{
		Short: "Remove unused images",
		Long: "Remove unused images: those that have lost their name, or with --all every image that no VM uses. Cached\n" +
			"layers stay.",
		Example: "  banger image prune\n  banger image prune --all --dry-run",
	})
}

func (a *App) pruneCommand(imagesOnly bool, cmd *cobra.Command) *cobra.Command {
	opts := pruneOptions{req: api.Prune{ImagesOnly: imagesOnly}}
	cmd.Use, cmd.Args, cmd.ValidArgsFunction = "prune", args(0, 0, ""), cobra.NoFileCompletions
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !opts.force && !opts.dryRun && !isTerminal(a.In) {
			return usagef(cmd, "stdin is not a terminal to confirm at; use --force")
		}
		return a.prune(cmd.Context(), opts)
	}
	cmd.Flags().BoolVarP(&opts.req.All, "all", "a", false, "remove every image that no VM uses, not only those without a name")
	cmd.Flags().BoolVar(&opts.dryRun, "dry-run", false, "only show what would be removed")
	cmd.Flags().BoolVarP(&opts.force, "force", "f", false, "do not ask for confirmation")
	return cmd
}

func (a *App) prune(ctx context.Context, opts pruneOptions) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	if !opts.force {
		could, err := c.Prunable(ctx, opts.req)
		if err != nil {
			return err
		}
		if len(could.Images) == 0 && could.LayersBytes == 0 && could.DownloadsBytes == 0 && could.TemplatesBytes == 0 {
			return a.print(nothingToPrune(opts.req))
		}
		if opts.dryRun {
			return a.print(prunedText(could, "would remove", "would free"))
		}
		if yes, err := a.confirm(prunedText(could, "removes", "frees") + "Continue? [y/N] "); err != nil || !yes {
			return err
		}
	}
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return c.Prune(ctx, opts.req) }, show.update)
	show.close()
	if err != nil {
		return err
	}
	done, err := client.Result[api.Pruned](op)
	if err != nil {
		return err
	}
	return a.print(prunedText(done, "removed", "freed"))
}

// prunedText lists what a prune removes and how much that is.
func prunedText(p api.Pruned, removes, frees string) string {
	var b strings.Builder
	for _, e := range p.Images {
		b.WriteString(removes + " image " + entryName(e) + " (" + entryNote(e) + bytesText(e.SizeBytes) + ")\n")
	}
	if p.LayersBytes > 0 {
		b.WriteString(removes + " cached layers (" + bytesText(p.LayersBytes) + ")\n")
	}
	if p.DownloadsBytes > 0 {
		b.WriteString(removes + " unfinished downloads (" + bytesText(p.DownloadsBytes) + ")\n")
	}
	if p.TemplatesBytes > 0 {
		b.WriteString(removes + " templates (" + bytesText(p.TemplatesBytes) + ")\n")
	}
	b.WriteString(frees + " " + bytesText(p.ReclaimedBytes) + "\n")
	return b.String()
}

// nothingToPrune says so, and what a prune with all would look at besides.
func nothingToPrune(req api.Prune) string {
	if req.All {
		return "nothing to remove\n"
	}
	return "nothing to remove; --all also removes every image that no VM uses\n"
}

// entryNote is what of an image its name does not tell.
func entryNote(e api.DiskEntry) string {
	note := ""
	if e.Name != "" || !e.Damaged {
		note = idText(e.ID) + ", "
	}
	if e.Damaged {
		note += "damaged, "
	}
	return note
}

// confirm asks at the terminal. Anything but yes is no.
func (a *App) confirm(question string) (bool, error) {
	if _, err := a.Err.Write([]byte(question)); err != nil {
		return false, err
	}
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && line == "" {
		return false, fault.Wrap(fault.Canceled, err, "no answer")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
