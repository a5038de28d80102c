package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/pace"
)

const (
	// sendPatience is how long a command may take nothing before the rest of a
	// long input is not sent to it.
	sendPatience = 10 * time.Second
	// sendPause is between two tries.
	sendPause = 50 * time.Millisecond
)

type sessionSendFlags struct {
	file    string
	newline bool
	eof     bool
}

func (a *App) sessionSendCommand() *cobra.Command {
	var flags sessionSendFlags
	cmd := &cobra.Command{
		Use:   "send NAME SESSION [TEXT] [FLAGS]",
		Short: "Write to the stdin of a session",
		Long: "Write TEXT or a file to the stdin of a session. You need not be attached. Up to 64 KiB is written at once; more is\n" +
			"written in 64 KiB pieces, as fast as the command reads.",
		Example: `  banger vm session send box agent "run the tests" --newline
  banger vm session send box agent --file prompt.txt --eof`,
		DisableFlagsInUseLine: true,
		Args:                  args(2, 3, whichSession+", and a TEXT"), ValidArgsFunction: a.sessionNames(api.SessionRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) != 3 && flags.file == "" && !flags.eof && !flags.newline {
				return usagef(cmd, "%s needs a TEXT or --file", cmd.CommandPath())
			}
			if len(given) == 3 && flags.file != "" {
				return usagef(cmd, "TEXT and --file cannot be used together")
			}
			text := ""
			if len(given) == 3 {
				text = given[2]
			}
			return a.sessionSend(cmd.Context(), given[0], given[1], text, flags)
		},
	}
	cmd.Flags().StringVar(&flags.file, "file", "", "send the contents of `FILE`, or - for stdin")
	cmd.Flags().BoolVar(&flags.newline, "newline", false, "append a newline")
	cmd.Flags().BoolVar(&flags.eof, "eof", false, "close stdin afterwards (on a terminal: send Ctrl-D)")
	return cmd
}

func (a *App) sessionSend(ctx context.Context, vm, name, text string, flags sessionSendFlags) error {
	c, err := a.fastDaemon()
	if err != nil {
		return err
	}
	send := patient(ctx, func(p []byte, eof bool) error { return c.SendSession(ctx, vm, name, p, eof) })
	if flags.file == "" {
		return sendAll([]byte(text), flags, send)
	}
	in := a.In
	if flags.file != "-" {
		if in, err = os.Open(flags.file); err != nil {
			return fault.Wrap(fault.Invalid, err, "cannot read the input")
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
			return fault.Wrap(fault.Invalid, err, "cannot read the input")
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

// patient sends what comes after the first piece as fast as the command takes
// it. Who is given up on in the middle is told how far it got.
func patient(ctx context.Context, send func([]byte, bool) error) func([]byte, bool) error {
	sent := 0
	return func(p []byte, eof bool) error {
		limit := time.Now().Add(sendPatience)
		err := send(p, eof)
		for sent > 0 && errors.Is(err, fault.Busy) && time.Now().Before(limit) {
			if err := pace.Pause(ctx, sendPause); err != nil {
				return err
			}
			err = send(p, eof)
		}
		if err != nil && sent > 0 {
			return fault.Wrap(fault.CodeOf(err), err, "the session took only %d bytes", sent).WithHint("those bytes cannot be taken back")
		}
		sent += len(p)
		return err
	}
}
