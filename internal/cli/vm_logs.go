package cli

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func tailFlag(cmd *cobra.Command) *optional[int] {
	return optionalFlag(cmd, "tail", "N", "print only the last N lines (default all)", func(text string) (int, error) {
		if text == "all" {
			return -1, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, fault.New(fault.Invalid, "--tail %q is not a valid number of lines", text).WithHint("use, for example, --tail 100")
		}
		return n, nil
	})
}

func (a *App) vmLogsCommand() *cobra.Command {
	var tail *optional[int]
	var follow, raw bool
	cmd := &cobra.Command{
		Use:               "logs NAME",
		Short:             "Print the console log of a VM",
		Long:              "Print the console log of a VM: what its kernel and init wrote.",
		Example:           "  banger vm logs box\n  banger vm logs -f --tail 20 box",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.vmLogs(cmd.Context(), given[0], raw, client.LogOptions{Tail: tail.or(-1), Follow: follow})
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow the output")
	rawFlag(cmd, &raw)
	tail = tailFlag(cmd)
	return cmd
}

// rawFlag adds --raw, for what guests wrote.
func rawFlag(cmd *cobra.Command, raw *bool) {
	cmd.Flags().BoolVar(raw, "raw", false, "print control sequences to a terminal unchanged; without it, only colors are kept")
}

func (a *App) vmLogs(ctx context.Context, name string, raw bool, opts client.LogOptions) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	logs, err := c.VMLogs(ctx, name, opts)
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	if opts.Follow {
		stop, err := a.endUnread()
		if err != nil {
			return err
		}
		defer stop()
	}
	out, done := a.plain(a.Out, raw)
	defer done()
	_, err = io.Copy(out, logs)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && errors.Is(err, io.ErrUnexpectedEOF):
		return fault.Wrap(fault.Unavailable, err, "the log of %s ended early", name).WithHint("banger daemon status")
	default:
		return err
	}
}
