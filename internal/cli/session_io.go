package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

type sessionLogsFlags struct {
	follow         bool
	stdout, stderr bool
	since          *optional[int64]
}

func (a *App) sessionLogsCommand() *cobra.Command {
	var flags sessionLogsFlags
	cmd := &cobra.Command{
		Use: "logs NAME SESSION", Short: "Print what a session wrote, on stdout and stderr as it did",
		Args: args(2, 2, whichSession), ValidArgsFunction: a.sessionNames(),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.sessionLogs(cmd.Context(), given[0], given[1], flags)
		},
	}
	cmd.Flags().BoolVarP(&flags.follow, "follow", "f", false, "go on until the session ends, or Ctrl-C")
	cmd.Flags().BoolVar(&flags.stdout, "stdout", false, "only its stdout")
	cmd.Flags().BoolVar(&flags.stderr, "stderr", false, "only its stderr")
	flags.since = optionalFlag(cmd, "since-offset", "N", "begin at byte N of the stream (default: the oldest that is kept)", parseOffset)
	return cmd
}

func parseOffset(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "--since-offset %q is no offset", text).WithHint("--since-offset 0")
	}
	return n, nil
}

func (a *App) sessionLogs(ctx context.Context, vm, name string, flags sessionLogsFlags) error {
	c, err := a.fastDaemon()
	if err != nil {
		return err
	}
	both := flags.stdout == flags.stderr
	from := [2]int64{agentrpc.FromNow, agentrpc.FromNow}
	for stream, wanted := range []bool{flags.stdout || both, flags.stderr || both} {
		if wanted {
			from[stream] = flags.since.or(agentrpc.FromOldest)
		}
	}
	files := [2]*os.File{a.Out, a.Err}
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
	a.say("banger: " + strconv.FormatInt(n, 10) + " bytes of " + streamName(stream) + " are missing here: they are kept no more")
}

type sessionSendFlags struct {
	file    string
	newline bool
	eof     bool
}

func (a *App) sessionSendCommand() *cobra.Command {
	var flags sessionSendFlags
	cmd := &cobra.Command{
		Use:   "send NAME SESSION [--file FILE | TEXT] [--newline] [--eof]",
		Short: "Write to a session's stdin, whoever is attached",
		Long: "Write to a session's stdin, whoever is attached. Up to 64 KiB arrive in one piece among what others write;\n" +
			"more is sent in pieces of that size.",
		DisableFlagsInUseLine: true,
		Args:                  args(2, 3, whichSession+", and a TEXT"), ValidArgsFunction: a.sessionNames(sessionRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) != 3 && flags.file == "" && !flags.eof && !flags.newline {
				return usagef(cmd, "%s needs a TEXT or a --file", cmd.CommandPath())
			}
			if len(given) == 3 && flags.file != "" {
				return usagef(cmd, "TEXT and --file exclude each other")
			}
			text := ""
			if len(given) == 3 {
				text = given[2]
			}
			return a.sessionSend(cmd.Context(), given[0], given[1], text, flags)
		},
	}
	cmd.Flags().StringVar(&flags.file, "file", "", "send what `FILE` holds; - is stdin")
	cmd.Flags().BoolVar(&flags.newline, "newline", false, "and a newline after it")
	cmd.Flags().BoolVar(&flags.eof, "eof", false, "and then end the input; on a terminal, ^D")
	return cmd
}

func (a *App) sessionSend(ctx context.Context, vm, name, text string, flags sessionSendFlags) error {
	c, err := a.fastDaemon()
	if err != nil {
		return err
	}
	send := func(p []byte, eof bool) error { return c.SendSession(ctx, vm, name, p, eof) }
	if flags.file == "" {
		return sendAll([]byte(text), flags, send)
	}
	in := a.In
	if flags.file != "-" {
		if in, err = os.Open(flags.file); err != nil {
			return fault.Wrap(fault.Invalid, err, "read what to send")
		}
		defer func() { _ = in.Close() }()
	}
	piece := make([]byte, client.MaxSend)
	for {
		n, err := io.ReadFull(in, piece)
		switch {
		case err == nil:
			if err := send(piece[:n], false); err != nil {
				return err
			}
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return sendAll(piece[:n], flags, send)
		default:
			return fault.Wrap(fault.Invalid, err, "read what to send")
		}
	}
}

// sendAll sends the last bytes with what the flags add.
func sendAll(p []byte, flags sessionSendFlags, send func([]byte, bool) error) error {
	if flags.newline {
		p = append(p, '\n')
	}
	for len(p) > client.MaxSend {
		if err := send(p[:client.MaxSend], false); err != nil {
			return err
		}
		p = p[client.MaxSend:]
	}
	if len(p) == 0 && !flags.eof {
		return nil
	}
	return send(p, flags.eof)
}
