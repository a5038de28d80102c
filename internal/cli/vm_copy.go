package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/guestfiles"
)

// place is one side of a copy: a path here, or in a VM.
type place struct {
	vm   string // empty: this host
	path string
}

// parsePlace reads NAME:path, or a path of this host. As with scp, a colon
// behind a slash is part of a path.
func parsePlace(text string) place {
	vm, path, found := strings.Cut(text, ":")
	if !found || vm == "" || strings.Contains(vm, "/") {
		return place{path: text}
	}
	if path == "" {
		path = "."
	}
	return place{vm: vm, path: path}
}

func (a *App) vmCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cp SRC DST",
		Short: "Copy files between the host and a VM",
		Long: "Copy a file or a directory to or from a VM. One of SRC and DST is NAME:PATH; the other is a path on the host, or - for\n" +
			"stdin or stdout.\n\n" +
			"Directories are copied recursively. Modes, times and symbolic links are kept. If DST is an existing directory, SRC is\n" +
			"copied into it. Each file is replaced atomically.",
		Example: `  banger vm cp ./src box:/root/
  banger vm cp box:/var/log/syslog .
  tar c . | banger vm cp - box:/tmp/src.tar`,
		Args: args(2, 2, "SRC and DST"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.vmCopy(cmd, parsePlace(given[0]), parsePlace(given[1]))
		},
	}
	recursiveFlags(cmd)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if strings.ContainsAny(prefix, ":/.") || len(given) >= 2 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		names, _ := a.vmNames(-1, api.VMRunning)(cmd, given, prefix)
		for i, name := range names {
			word, note, _ := strings.Cut(name, "\t")
			names[i] = word + ":\t" + note
		}
		return names, cobra.ShellCompDirectiveNoSpace
	}
	return cmd
}

// recursiveFlags accepts what users of cp and scp type; a copy always does both.
func recursiveFlags(cmd *cobra.Command) {
	cmd.Flags().BoolP("recursive", "r", false, "accepted; directories are always copied")
	cmd.Flags().BoolP("archive", "a", false, "accepted; modes, times and links are always kept")
}

func (a *App) vmCopy(cmd *cobra.Command, src, dst place) error {
	switch {
	case src.vm == "" && dst.vm == "":
		return usagef(cmd, "neither %q nor %q names a VM (NAME:PATH)", src.path, dst.path)
	case src.vm != "" && dst.vm != "":
		return &usageError{
			message: "cannot copy between two VMs (" + src.vm + " and " + dst.vm + ")",
			hint:    "banger exec " + src.vm + " -- tar c -C DIR . | banger exec -i " + dst.vm + " -- tar x -C DIR",
		}
	}
	ctx := cmd.Context()
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	guest := guestfiles.Of(c, src.vm+dst.vm)
	show := a.copyStages()
	defer show.close()
	return a.transfer(ctx, guest, src.path, dst, copyProgress(show))
}

func (a *App) transfer(ctx context.Context, guest *guestfiles.Guest, src string, dst place, progress guestfiles.Progress) error {
	switch in := dst.vm != ""; {
	case in && src == "-":
		return guest.StreamIn(ctx, a.In, dst.path, progress)
	case in:
		return guest.CopyIn(ctx, src, dst.path, progress)
	case dst.path == "-":
		return guest.StreamOut(ctx, src, a.Out, progress)
	default:
		return guest.CopyOut(ctx, src, dst.path, progress)
	}
}

// copyStages shows a copy on stderr when that is a terminal.
func (a *App) copyStages() stages {
	if !isTerminal(a.Err) || a.getenv("TERM") == "dumb" {
		return noStages{}
	}
	return a.stagesTo(a.Err)
}

// copyProgress shows a copy as one stage.
func copyProgress(show stages) guestfiles.Progress {
	if _, ok := show.(noStages); ok {
		return nil // nothing is worth counting
	}
	begun := time.Now()
	return func(name string, done, total int64) {
		show.update(api.Operation{Stages: []api.Stage{{
			Name: "copy", State: api.StageRunning, Detail: name, Done: done, Total: total, Unit: api.UnitBytes, StartedAt: begun,
		}}})
	}
}
