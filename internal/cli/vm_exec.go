package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
)

type execFlags struct {
	tty   bool
	stdin bool
	dir   string
	user  string
	env   *pairs
}

func (a *App) vmExecCommand() *cobra.Command {
	var flags execFlags
	cmd := &cobra.Command{
		Use:   "exec NAME [FLAGS] [--] CMD [ARG...]",
		Short: "Run a command in a VM",
		Long: "Run a command in a VM.\n\n" +
			"The exit status is that of the command: 128 plus the signal number if a signal ended it, 127 if the command is not\n" +
			"found, 126 if it cannot run. It is 125 if banger itself fails.",
		Example: `  banger vm exec box -- ls -la /
  banger vm exec -t box bash
  tar c . | banger vm exec -i box -- tar x -C /srv`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     a.completeExec,
		RunE: func(cmd *cobra.Command, given []string) error {
			name, command, err := flags.parse(cmd, given)
			if err != nil {
				return ownFailure(err)
			}
			if command == nil {
				return cmd.Help()
			}
			return a.vmExec(cmd.Context(), name, flags.request(command))
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return ownFailure(flagError(cmd, err)) })
	commandFlags(cmd, &flags)
	flags.env = a.envFlag(cmd)
	return cmd
}

// commandFlags are those of exec and run that say how to run the command.
func commandFlags(cmd *cobra.Command, flags *execFlags) {
	cmd.Flags().BoolVarP(&flags.tty, "tty", "t", false, "allocate a terminal (implies -i)")
	cmd.Flags().BoolVarP(&flags.stdin, "interactive", "i", false, "pass stdin to the command")
	cmd.Flags().StringVarP(&flags.dir, "workdir", "w", "", "run in `DIR` (default: the image's working directory)")
	cmd.Flags().StringVarP(&flags.user, "user", "u", "", "run as `USER`: a name, UID or UID:GID (default: the image's user, or root)")
}

// parse reads NAME and the command. Flags stand before NAME or behind it, and
// end at the command's first word, whose own flags are none of banger's. The
// command is nil when help was asked for.
func (f *execFlags) parse(cmd *cobra.Command, given []string) (name string, command []string, err error) {
	if len(given) == 0 {
		return "", nil, usagef(cmd, "%s needs the NAME of a VM and a command", cmd.CommandPath())
	}
	name = given[0]
	if err := cmd.Flags().Parse(given[1:]); err != nil {
		return "", nil, flagError(cmd, err)
	}
	if help, err := cmd.Flags().GetBool("help"); err == nil && help {
		return "", nil, nil
	}
	command = cmd.Flags().Args()
	if len(command) == 0 {
		return "", nil, usagef(cmd, "%s %s needs a command", cmd.CommandPath(), name)
	}
	return name, command, nil
}

func (f *execFlags) request(command []string) api.Exec {
	return api.Exec{
		Command: command, Dir: f.dir, User: f.user, Env: f.env.list,
		TTY: f.tty, Stdin: f.stdin || f.tty,
	}
}

func (a *App) vmExec(ctx context.Context, name string, req api.Exec) error {
	if req.TTY && !isTerminal(a.In) {
		return ownFailure(errNoTerminal())
	}
	c, err := a.fastDaemon()
	if err != nil {
		return ownFailure(err)
	}
	return a.execIn(ctx, c, namedVM{name, name}, req)
}
