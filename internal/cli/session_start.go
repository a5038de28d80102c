package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
)

type sessionStartFlags struct {
	name, dir, user string
	tty, pipe       bool
	require         []string
	env             *pairs
	keep            *optional[int64]
	format          *format
}

func (a *App) sessionStartCommand() *cobra.Command {
	var flags sessionStartFlags
	cmd := &cobra.Command{
		Use:   "start NAME [FLAGS] [--] CMD [ARG...]",
		Short: "Start a command as a session",
		Long: "Start a command in a VM that keeps running when you disconnect.\n\n" +
			"If the command, its working directory or a --require command is missing, banger keeps the session as \"failed\", with\n" +
			"the reason.",
		Example: `  banger vm session start box --name shell --tty -- bash
  banger vm session start box --name timer --require sleep -- sleep 1000`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     a.vmNames(1, api.VMRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			name, command, err := flags.parse(cmd, given)
			if err != nil {
				return err
			}
			if command == nil {
				return cmd.Help()
			}
			return a.sessionStart(cmd.Context(), name, flags.request(command), *flags.format)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.StringVar(&flags.name, "name", "", "`NAME` of the session (default: generated from the command)")
	f.BoolVar(&flags.pipe, "pipe", false, "use pipes for stdin, stdout and stderr (default)")
	f.BoolVarP(&flags.tty, "tty", "t", false, "allocate a terminal")
	f.StringVarP(&flags.dir, "workdir", "w", "", "run in `DIR` (default: the image's working directory)")
	f.StringVarP(&flags.user, "user", "u", "", "run as `USER`: a name, UID or UID:GID (default: the image's user, or root)")
	f.StringSliceVar(&flags.require, "require", nil, "`COMMANDS` that must exist in the guest, separated by commas")
	flags.env = a.envFlag(cmd)
	flags.keep = optionalFlag(cmd, "keep", "SIZE", "how much of each output stream to keep in the guest (default 4MiB)", parseKeep)
	flags.format = formatFlag(cmd)
	return cmd
}

func parseKeep(text string) (int64, error) {
	n, err := config.ParseSize(text)
	if err != nil || n < 64<<10 || n > 64<<20 {
		return 0, fault.New(fault.Invalid, "--keep %q is not a size from 64KiB to 64MiB", text).WithHint("use, for example, --keep 16MiB")
	}
	return int64(n), nil
}

func (f *sessionStartFlags) parse(cmd *cobra.Command, given []string) (name string, command []string, err error) {
	var exec execFlags
	if name, command, err = exec.parse(cmd, given); err != nil || command == nil {
		return name, command, err
	}
	if f.tty && f.pipe {
		return "", nil, usagef(cmd, "--pipe and --tty cannot be used together")
	}
	if cmd.Flags().Changed("name") && f.name == "" {
		return "", nil, fault.New(fault.Invalid, "--name %q is not a valid session name", "").WithHint("omit --name to generate a name from the command")
	}
	if f.dir != "" && !strings.HasPrefix(f.dir, "/") {
		return "", nil, fault.New(fault.Invalid, "-w %q is not an absolute path", f.dir).WithHint("use a path in the guest, such as -w /root")
	}
	return name, command, nil
}

func (f *sessionStartFlags) request(command []string) api.StartSession {
	req := api.StartSession{
		Name: f.name, Command: command, TTY: f.tty, Dir: f.dir, Env: f.env.list, User: f.user, Require: f.require,
	}
	if f.keep.value != nil {
		req.KeepBytes = *f.keep.value
	}
	return req
}

func (a *App) sessionStart(ctx context.Context, vm string, req api.StartSession, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	if req.TTY {
		if cols, rows, err := term.GetSize(int(a.In.Fd())); err == nil {
			req.Rows, req.Cols = uint16(rows), uint16(cols)
		}
		if t := a.getenv("TERM"); t != "" && isTerminal(a.In) {
			req.Env = append([]string{"TERM=" + t}, req.Env...)
		}
	}
	sess, err := c.StartSession(ctx, vm, req)
	if err != nil {
		return err
	}
	if sess.Warning != "" {
		a.say("warning: " + sess.Warning)
	}
	if f != formatTable {
		return sessionView(time.Now()).show(a, f, sess)
	}
	if isTerminal(a.Err) {
		a.say("attach to it with: banger vm session attach " + sess.VM + " " + sess.Name)
	}
	return a.print("started " + sess.Name + "\n")
}
