package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
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
		Use:   "exec NAME [-t] [-i] [-w DIR] [-e K=V] [--user U] [--] CMD [ARG...]",
		Short: "Run a command in a VM",
		Long: "Run a command in a VM and return its status: 128 and the signal's number when a signal ended it,\n" +
			"127 when it was not found, 126 when it could not be run, 125 when banger itself could not do it.",
		Example: `  banger vm exec box -- ls -la /
  banger vm exec -t box bash
  tar c . | banger vm exec -i box -- tar x -C /srv`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     a.vmNames(1, vmRunning),
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
	cmd.Flags().BoolVarP(&flags.tty, "tty", "t", false, "give the command a terminal (with -i)")
	cmd.Flags().BoolVarP(&flags.stdin, "interactive", "i", false, "pass stdin to the command")
	cmd.Flags().StringVarP(&flags.dir, "workdir", "w", "", "`DIR` in the guest to run it in")
	cmd.Flags().StringVar(&flags.user, "user", "", "`USER` to run it as: a name, a uid, or uid:gid (default root)")
	flags.env = a.envFlag(cmd)
	return cmd
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
		return ownFailure(fault.New(fault.Invalid, "-t needs a terminal, and stdin is none").
			WithHint("leave -t out; -i alone passes stdin"))
	}
	c, err := a.fastDaemon()
	if err != nil {
		return ownFailure(err)
	}
	return a.execIn(ctx, c, namedVM{name, name}, req)
}
