package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/pkg/sftp"
	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/fault"
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
		Short: "Copy files and directories to or from a VM",
		Long: "Copy files and directories, with modes, times and symbolic links, to or from a VM. One of SRC and DST is NAME:PATH;\n" +
			"the other is a local path, or - for stdin or stdout. If DST is an existing directory, SRC is copied into it.\n" +
			"Files are replaced atomically.",
		Example: `  banger vm cp ./src box:/root/
  banger vm cp box:/var/log/syslog .
  tar c . | banger vm cp - box:/tmp/src.tar`,
		Args: args(2, 2, "SRC and DST"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.vmCopy(cmd, parsePlace(given[0]), parsePlace(given[1]))
		},
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if strings.ContainsAny(prefix, ":/.") || len(given) >= 2 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		names, _ := a.vmNames(-1, vmRunning)(cmd, given, prefix)
		for i, name := range names {
			word, note, _ := strings.Cut(name, "\t")
			names[i] = word + ":\t" + note
		}
		return names, cobra.ShellCompDirectiveNoSpace
	}
	return cmd
}

func (a *App) vmCopy(cmd *cobra.Command, src, dst place) error {
	switch {
	case src.vm == "" && dst.vm == "":
		return usagef(cmd, "neither %q nor %q is of the form NAME:path", src.path, dst.path)
	case src.vm != "" && dst.vm != "":
		return &usageError{
			message: "one side must be on this host: " + src.vm + " and " + dst.vm + " are both VMs",
			hint:    "banger exec " + src.vm + " -- tar c -C DIR . | banger exec -i " + dst.vm + " -- tar x -C DIR",
		}
	}
	ctx := cmd.Context()
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	remote, closeRemote, err := dialSFTP(ctx, c, src.vm+dst.vm)
	if err != nil {
		return err
	}
	defer closeRemote()
	meter := a.meterTo(a.Err)
	err = a.transfer(ctx, remote, src, dst, meter)
	meter.close()
	return copyFault(ctx, err)
}

func (a *App) transfer(ctx context.Context, remote *sftp.Client, src, dst place, meter *meter) error {
	switch {
	case src.path == "-" && src.vm == "":
		return streamIn(ctx, a.In, guestFiles{remote}, dst.path, meter)
	case dst.path == "-" && dst.vm == "":
		return streamOut(ctx, guestFiles{remote}, src.path, a.Out, meter)
	case dst.vm != "":
		return copyTree(ctx, hostFiles{}, src.path, guestFiles{remote}, dst.path, meter)
	default:
		return copyToHost(ctx, guestFiles{remote}, src.path, dst.path, meter)
	}
}

// copyFault gives an error of a copy its code.
func copyFault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := asFault(err); ok {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Unavailable, err, "the connection to the VM broke").WithHint("banger vm list --all")
	default:
		return pathFault(err)
	}
}
