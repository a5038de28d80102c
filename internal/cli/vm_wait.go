package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

type vmWaitOptions struct {
	until   *optional[string]
	input   bool
	timeout *optional[time.Duration]
	format  *format
}

func (a *App) vmWaitCommand() *cobra.Command {
	var opts vmWaitOptions
	cmd := &cobra.Command{
		Use:   "wait [NAME]",
		Short: "Wait until a VM is ready or stopped, or needs input",
		Long: "Wait until a VM is ready, stopped, or accepts connections on a port. A failed VM counts as stopped.\n\n" +
			"With --needs-input, wait until a session of the VM, or without NAME of any VM, waits for somebody.\n\n" +
			"The exit status is 4 if the VM is not running, and 6 if it stops first or the timeout expires.",
		Example: `  banger vm wait box --for port:8080 --timeout 1m
  banger vm wait box --for stopped
  banger vm wait --needs-input`,
		Args: func(cmd *cobra.Command, given []string) error {
			least := 1
			if opts.input {
				least = 0
			}
			return args(least, 1, "the NAME of a VM")(cmd, given)
		},
		ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if opts.input && opts.until.value != nil {
				return &usageError{message: "--needs-input and --for cannot be used together"}
			}
			return a.vmWait(cmd.Context(), strings.Join(given, ""), opts)
		},
	}
	opts.until = optionalFlag(cmd, "for", "CONDITION", "wait for ready, stopped or port:N (default ready)", notEmpty)
	complete(cmd, "for", "ready", "stopped", "port:")
	cmd.Flags().BoolVar(&opts.input, "needs-input", false, "wait until a session needs input")
	opts.timeout = optionalFlag(cmd, "timeout", "DURATION", "give up after this time, such as 30s or 5m (default: never)", durationIn("--timeout", time.Nanosecond, maxWait))
	opts.format = formatFlag(cmd)
	return cmd
}

func (a *App) vmWait(ctx context.Context, name string, opts vmWaitOptions) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	waiting, until := ctx, opts.until.or("ready")
	if opts.timeout.value != nil {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, *opts.timeout.value)
		defer cancel()
	}
	late := func(err error) bool {
		return err != nil && ctx.Err() == nil && errors.Is(waiting.Err(), context.DeadlineExceeded)
	}
	if opts.input {
		err := a.waitNeedsInput(waiting, c, name, *opts.format)
		if late(err) {
			return fault.New(fault.Unavailable, "no session needs input after %s", *opts.timeout.value)
		}
		return err
	}
	v, err := c.WaitVM(waiting, name, until)
	if late(err) {
		return fault.New(fault.Unavailable, "%s is not %s after %s", name, untilText(until), *opts.timeout.value).Try(act.VMHealth.On(name))
	}
	if err != nil {
		return err
	}
	if *opts.format != formatTable {
		return vmView(time.Now()).show(a, *opts.format, v)
	}
	if until == "stopped" {
		until = v.State
	}
	return a.print(name + " is " + untilText(until) + "\n")
}

func untilText(until string) string {
	if port, found := strings.CutPrefix(until, "port:"); found {
		return "open on port " + port
	}
	return until
}
