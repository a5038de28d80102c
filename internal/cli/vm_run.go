package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

type runOptions struct {
	remove      bool
	noWorkspace bool
	command     []string
	path        string
}

func (a *App) vmRunCommand() *cobra.Command {
	var spec vmSpecFlags
	var opts runOptions
	cmd := &cobra.Command{
		Use:   "run [PATH] [--image IMAGE] [--rm] [--no-workspace] [-- CMD [ARG...]]",
		Short: "Create a VM, and run a command in it",
		Long: "Create a VM and run CMD in it, with stdin, stdout and the terminal passed through. The status is CMD's own,\n" +
			"or 125 when banger itself could not do it. Without CMD, say how to go on.\n\n" +
			"This version prepares no workspaces: a repository is not copied into the VM.",
		Example: `  banger run --rm --image debian -- sh -c 'uname -a'
  banger run --name box --memory 2GiB`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := opts.take(cmd, given); err != nil {
				return err
			}
			err := a.vmRun(cmd.Context(), spec.request(), opts)
			if len(opts.command) > 0 {
				return ownFailure(err)
			}
			return err
		},
	}
	spec = a.vmSpecFlags(cmd)
	cmd.Flags().BoolVar(&opts.remove, "rm", false, "delete the VM when CMD ends")
	cmd.Flags().BoolVar(&opts.noWorkspace, "no-workspace", false, "do not look for a repository")
	return cmd
}

// take sorts the arguments: PATH stands before "--", CMD behind it.
func (o *runOptions) take(cmd *cobra.Command, given []string) error {
	paths := given
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		paths, o.command = given[:dash], given[dash:]
		if len(o.command) == 0 {
			return usagef(cmd, "no command stands behind --")
		}
	}
	if len(paths) > 1 {
		return &usageError{
			message: "only one PATH can be given, and " + quote(paths[1]) + " is one more",
			hint:    "put -- before the command: " + cmd.CommandPath() + " -- CMD",
		}
	}
	if len(paths) == 1 {
		o.path = paths[0]
	}
	if o.remove && len(o.command) == 0 {
		return usagef(cmd, "--rm deletes the VM when CMD ends, and there is no CMD")
	}
	return nil
}

func (a *App) vmRun(ctx context.Context, req api.CreateVM, opts runOptions) error {
	if err := a.workspaceNotice(opts); err != nil {
		return err
	}
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	start := true
	req.Start, req.Wait = &start, "ready"
	v, err := a.createVM(ctx, c, req)
	if err != nil {
		return err
	}
	if len(opts.command) == 0 {
		return a.print(nextSteps(v))
	}
	err = ctx.Err()
	if err == nil {
		tty := isTerminal(a.In) && isTerminal(a.Out) && isTerminal(a.Err)
		err = a.execIn(ctx, c, v.ID, api.Exec{Command: opts.command, TTY: tty, Stdin: true})
	}
	if opts.remove {
		err = both(err, a.removeAfter(context.WithoutCancel(ctx), c, v))
	}
	return err
}

// both keeps the command's outcome and shows that of the clean-up beside it.
func both(outcome, cleanup error) error {
	if cleanup == nil {
		return outcome
	}
	if status, ok := errors.AsType[*statusError](outcome); ok {
		return &statusError{status: status.status, cause: errors.Join(status.cause, cleanup)}
	}
	return errors.Join(outcome, cleanup)
}

// removeAfter deletes the VM of run --rm, also after a failure or an interrupt.
func (a *App) removeAfter(ctx context.Context, c *client.Client, v api.VM) error {
	_, err := follow(ctx, c, noStages{}, func(ctx context.Context) (api.Operation, error) { return c.DeleteVM(ctx, v.ID, true) })
	if err == nil || errors.Is(err, fault.NotFound) {
		return nil
	}
	return fault.Wrap(fault.CodeOf(err), err, "%s was not deleted", v.Name).WithHint("banger rm --force %s", v.Name)
}

// workspaceNotice is honest about what this version does not do: a repository
// that was named is refused, one that would be found is mentioned.
func (a *App) workspaceNotice(opts runOptions) error {
	if opts.path != "" {
		return fault.New(fault.Invalid, "this version cannot prepare %s as a workspace", opts.path).
			WithHint("leave PATH out, and copy it with `banger vm cp %s NAME:/root/`; a command stands behind --", opts.path)
	}
	if opts.noWorkspace {
		return nil
	}
	if root := gitRoot(); root != "" {
		a.say("note: " + root + " is a git repository; this version prepares no workspaces, so it is not copied (--no-workspace leaves this note out)")
	}
	return nil
}

// gitRoot returns the work tree that the current directory is in, if any.
func gitRoot() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}
