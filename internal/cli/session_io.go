package cli

import (
	"context"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

type sessionLogsFlags struct {
	follow         bool
	stdout, stderr bool
	raw            bool
	since          *optional[int64]
}

func (a *App) sessionLogsCommand() *cobra.Command {
	var flags sessionLogsFlags
	cmd := &cobra.Command{
		Use: "logs NAME SESSION", Short: "Print the output of a session",
		Long:    "Print the output of a session: its stdout on stdout, its stderr on stderr.",
		Example: "  banger vm session logs box agent\n  banger vm session logs box agent -f --stderr",
		Args:    args(2, 2, whichSession), ValidArgsFunction: a.sessionNames(),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.sessionLogs(cmd.Context(), given[0], given[1], flags)
		},
	}
	cmd.Flags().BoolVarP(&flags.follow, "follow", "f", false, "follow the output")
	cmd.Flags().BoolVar(&flags.stdout, "stdout", false, "print only stdout")
	cmd.Flags().BoolVar(&flags.stderr, "stderr", false, "print only stderr")
	rawFlag(cmd, &flags.raw)
	flags.since = optionalFlag(cmd, "since-offset", "N", "start at byte N of the stream (default: the oldest kept)", parseOffset)
	return cmd
}

func parseOffset(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "--since-offset %q is not a valid offset", text).WithHint("use a number of bytes, such as --since-offset 0")
	}
	return n, nil
}

func (a *App) sessionLogs(ctx context.Context, vm, name string, flags sessionLogsFlags) error {
	c, err := a.fastDaemon()
	if err != nil {
		return err
	}
	both := flags.stdout == flags.stderr
	if flags.follow {
		stop, err := a.endUnread()
		if err != nil {
			return err
		}
		defer stop()
	}
	from := [2]int64{agentrpc.FromNow, agentrpc.FromNow}
	for stream, wanted := range []bool{flags.stdout || both, flags.stderr || both} {
		if wanted {
			from[stream] = flags.since.or(agentrpc.FromOldest)
		}
	}
	stdout, doneOut := a.plain(a.Out, flags.raw)
	defer doneOut()
	stderr, doneErr := a.plain(a.Err, flags.raw)
	defer doneErr()
	files := [2]io.Writer{stdout, stderr}
	_, err = c.Attach(vm, name, client.AttachOptions{
		ReadOnly: true, Stdout: from[0], Stderr: from[1], Once: !flags.follow,
		Output: func(stream agentrpc.Stream, p []byte) error {
			if from[stream] == agentrpc.FromNow {
				return nil
			}
			_, err := files[stream].Write(p)
			return err
		},
		Lost: func(stream agentrpc.Stream, n int64) {
			if from[stream] != agentrpc.FromNow {
				a.sayLost(stream, n)
			}
		},
	}).Run(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func streamName(stream agentrpc.Stream) string {
	if stream == agentrpc.Stderr {
		return "stderr"
	}
	return "stdout"
}

// sayLost tells of output that is kept no more.
func (a *App) sayLost(stream agentrpc.Stream, n int64) {
	a.say("banger: " + strconv.FormatInt(n, 10) + " bytes of " + streamName(stream) + " were discarded")
}
