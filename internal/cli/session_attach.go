package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

type sessionAttachFlags struct {
	readOnly  bool
	keepStdin bool
	keys      string
	since     *optional[int64]
}

func (a *App) sessionAttachCommand() *cobra.Command {
	var flags sessionAttachFlags
	cmd := &cobra.Command{
		Use:     "attach NAME SESSION",
		Short:   "Attach to a session",
		Example: "  banger vm session attach box agent\n  banger vm session attach box agent --read-only",
		Long: "Attach to the terminal of a session, or to its stdin, stdout and stderr. Earlier output is printed first.\n\n" +
			"To detach, press ctrl-] in a terminal, or Ctrl-C with pipes. The session keeps running. If the connection breaks,\n" +
			"banger attaches again without losing output. One client can write at a time; any number can read.\n\n" +
			"If stdin is a pipe or a file, the session's stdin is closed at its end, unless you give --keep-stdin-open.\n" +
			"The exit status is that of the command.",
		Args: args(2, 2, whichSession), ValidArgsFunction: a.sessionNames(api.SessionRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.sessionAttach(cmd.Context(), given[0], given[1], flags)
		},
	}
	cmd.Flags().BoolVar(&flags.readOnly, "read-only", false, "only watch; do not write to the session")
	cmd.Flags().BoolVar(&flags.keepStdin, "keep-stdin-open", false, "keep the session's stdin open at the end of the input")
	cmd.Flags().StringVar(&flags.keys, "detach-keys", "", "`KEYS` that detach, such as ctrl-p,ctrl-q"+fromConfig("detach_keys", ""))
	flags.since = optionalFlag(cmd, "since-offset", "N", "start at byte N of stdout (default: the oldest kept)", parseOffset)
	return cmd
}

// errDetached says that the user left.
var errDetached = errors.New("detached")

func (a *App) sessionAttach(ctx context.Context, vm, name string, flags sessionAttachFlags) error {
	keys, keysText, err := detachKeys(flags.keys)
	if err != nil {
		return err
	}
	c, err := a.fastDaemon()
	if err != nil {
		return err
	}
	sess, err := c.GetSession(ctx, vm, name)
	if err != nil {
		return err
	}
	at := &attached{app: a, sess: sess, shown: a.screen(), keys: detacher{keys: keys}, terminal: sess.Mode == api.SessionTTY && isTerminal(a.In)}
	if at.terminal {
		if at.welcome = "attached to " + sess.Name; flags.readOnly {
			at.welcome = "watching " + sess.Name
		}
		at.welcome += "; press " + keysText + " to detach"
		a.signals.outlive()
		before, err := term.MakeRaw(int(a.In.Fd()))
		if err != nil {
			return err
		}
		defer func() { _ = term.Restore(int(a.In.Fd()), before) }()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end, err := at.run(ctx, c, flags, cancel)
	at.shown.leave()
	switch {
	case err == nil && end.ExitCode != 0:
		return &statusError{status: end.ExitCode & 0xff}
	case errors.Is(context.Cause(ctx), errDetached):
		at.say("detached; session " + sess.Name + " is still running")
		return nil
	case ctx.Err() != nil:
		at.say("detached; session " + sess.Name + " is still running")
		return &statusError{status: statusCanceled}
	}
	return err
}

// attached is this terminal, or these pipes, at a session.
type attached struct {
	app      *App
	sess     api.Session
	terminal bool
	keys     detacher
	shown    *screen
	welcome  string // what is yet to be said when it is attached
}

func (at *attached) run(ctx context.Context, c *client.Client, flags sessionAttachFlags, cancel context.CancelCauseFunc) (agentrpc.AttachEnding, error) {
	opts := client.AttachOptions{
		ReadOnly: flags.readOnly, Stdout: flags.since.or(agentrpc.FromOldest), Stderr: agentrpc.FromOldest,
		Repaint: at.sess.Mode == api.SessionTTY && flags.since.value == nil,
		Output:  at.output, Lost: at.lost, Greeted: at.greeted, Broken: at.broken,
	}
	if at.terminal {
		if cols, rows, err := term.GetSize(int(at.app.In.Fd())); err == nil {
			opts.Rows, opts.Cols = uint16(rows), uint16(cols)
		}
	}
	attachment := c.Attach(at.sess.VM, at.sess.ID, opts)
	if at.terminal && !flags.readOnly {
		stop := at.followSize(attachment)
		defer stop()
	}
	if !flags.readOnly || at.terminal {
		go at.pump(attachment, flags, cancel)
	}
	return attachment.Run(ctx)
}

// followSize passes on changes of the window's size.
func (at *attached) followSize(to *client.Attachment) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-changes:
				if cols, rows, err := term.GetSize(int(at.app.In.Fd())); err == nil {
					to.Resize(uint16(rows), uint16(cols))
				}
			}
		}
	}()
	return func() {
		signal.Stop(changes)
		close(done)
	}
}

// pump passes on what is typed, until the detach keys or the end.
func (at *attached) pump(to *client.Attachment, flags sessionAttachFlags, cancel context.CancelCauseFunc) {
	typing := &typing{keys: &at.keys, write: to.Write, leave: func() { cancel(errDetached) }}
	if flags.readOnly {
		typing.write = func(p []byte) (int, error) { return len(p), nil }
	}
	defer typing.end()
	buf := make([]byte, 32<<10)
	for {
		n, err := at.app.In.Read(buf)
		switch {
		case at.terminal:
			if !typing.typed(buf[:n]) {
				return
			}
		case n > 0:
			if _, err := typing.write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if !flags.readOnly && !flags.keepStdin && hasEnd(at.app.In) {
				to.CloseWrite()
			}
			return
		}
	}
}

// hasEnd reports whether the end of f means something: that of /dev/null, and
// of a terminal that hangs up, does not.
func hasEnd(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice == 0
}

func (at *attached) output(stream agentrpc.Stream, p []byte) error {
	f := at.app.Out
	if stream == agentrpc.Stderr {
		f = at.app.Err
	}
	_, err := at.shown.through(f).Write(p)
	return err
}

func (at *attached) greeted(hello agentrpc.AttachGreeting) {
	if at.welcome != "" && isTerminal(at.app.Err) {
		at.app.say(at.welcome + "\r")
	}
	at.welcome = ""
	if len(hello.Modes) > 0 && isTerminal(at.app.Out) {
		_ = at.output(agentrpc.Stdout, hello.Modes) // a terminal that is gone shows in what follows
	}
}

func (at *attached) lost(stream agentrpc.Stream, n int64) {
	if !at.terminal {
		at.app.sayLost(stream, n)
	}
}

func (at *attached) broken(error) {
	if isTerminal(at.app.Err) {
		at.say("[banger: connection lost; attaching again]")
	}
}

// say writes a line, also while the terminal is raw.
func (at *attached) say(text string) {
	if at.terminal {
		text = "\r\n" + text + "\r"
	}
	if isTerminal(at.app.Err) {
		at.app.say(text)
	}
}
