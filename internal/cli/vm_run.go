package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

type runOptions struct {
	remove      bool
	noWorkspace bool
	mode        *optional[string]
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
			"The git work tree that PATH (default: the current directory) is in is copied into the VM as its workspace, and CMD runs\n" +
			"there; `banger vm workspace export` brings the work back. With --rm the VM is kept if there is work to bring back.",
		Example: `  banger run --rm --image debian -- sh -c 'uname -a'
  banger run --name box --memory 2GiB
  banger run ~/src/project -- make test`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := opts.take(cmd, given); err != nil {
				return err
			}
			req, err := spec.request()
			if err != nil {
				return err
			}
			err = a.vmRun(cmd.Context(), req, opts)
			if len(opts.command) > 0 {
				return ownFailure(err)
			}
			return err
		},
	}
	spec = a.vmSpecFlags(cmd)
	cmd.Flags().BoolVar(&opts.remove, "rm", false, "delete the VM when CMD ends")
	cmd.Flags().BoolVar(&opts.noWorkspace, "no-workspace", false, "do not look for a repository")
	opts.mode = workspaceModeFlag(cmd)
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
	source, err := opts.source()
	if err != nil {
		return err
	}
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	if opts.remove {
		a.signals.outlive()
	}
	start := true
	req.Start, req.Wait = &start, "ready"
	v, err := a.createVM(ctx, c, req)
	if err != nil {
		return err
	}
	dir := ""
	if source != "" {
		w, err := a.prepareWorkspace(ctx, c, v.ID, api.PrepareWorkspace{Path: source, Mode: opts.mode.or("")})
		if err != nil {
			return a.withoutWorkspace(ctx, c, v, opts, err)
		}
		v.Workspace, dir = &w, w.Path
	}
	if len(opts.command) == 0 {
		return a.print(nextSteps(v))
	}
	err = ctx.Err()
	if err == nil {
		tty := isTerminal(a.In) && isTerminal(a.Out) && isTerminal(a.Err)
		err = a.execIn(ctx, c, namedVM{v.ID, v.Name}, api.Exec{Command: opts.command, Dir: dir, TTY: tty, Stdin: true})
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

// withoutWorkspace ends a run whose VM could not get its workspace.
func (a *App) withoutWorkspace(ctx context.Context, c *client.Client, v api.VM, opts runOptions, err error) error {
	if opts.remove {
		return errors.Join(err, a.removeAfter(context.WithoutCancel(ctx), c, v))
	}
	a.say("note: " + v.Name + " was created, and runs without a workspace")
	return err
}

// hasWork reports whether there is unexported work in a VM, or may be, and says
// how to get it.
func (a *App) hasWork(ctx context.Context, c *client.Client, v api.VM) bool {
	w, err := c.GetWorkspace(ctx, v.ID)
	switch {
	case errors.Is(err, fault.NotFound):
		return false
	case err == nil && w.State == workspaceClean:
		return false
	case err == nil && w.State == workspaceChanged:
		a.say("note: " + v.Name + " is kept, because its workspace has unexported changes: " + workText(&w))
	default:
		a.say("note: " + v.Name + " is kept, because it is unknown whether its workspace has unexported changes")
	}
	a.say("  export changes  banger vm workspace export " + v.Name + " | " + gitApply(w.Source))
	a.say("  remove it       banger rm --force --discard-work " + v.Name)
	return true
}

// removeAfter deletes the VM of run --rm, also after a failure or an interrupt;
// one with work that no export has is kept.
func (a *App) removeAfter(ctx context.Context, c *client.Client, v api.VM) error {
	if v.Workspace != nil && a.hasWork(ctx, c, v) {
		return nil
	}
	_, err := follow(ctx, c, noStages{}, func(ctx context.Context) (api.Operation, error) {
		return c.DeleteVM(ctx, v.ID, api.DeleteVM{Force: true})
	})
	if err == nil || errors.Is(err, fault.NotFound) {
		return nil
	}
	hint := fault.HintOf(err)
	if hint == "" {
		hint = "banger rm --force " + v.Name
	}
	return fault.Wrap(fault.CodeOf(err), err, "%s was not deleted", v.Name).WithHint("%s", hint)
}

// source is the work tree that becomes the VM's workspace; empty: none.
func (o *runOptions) source() (string, error) {
	if o.noWorkspace {
		if o.path != "" {
			return "", &usageError{message: "PATH " + quote(o.path) + " and --no-workspace exclude each other", hint: "leave one of them out"}
		}
		return "", nil
	}
	if o.path != "" {
		return repository(o.path)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", nil //nolint:nilerr // a directory that was removed is no repository
	}
	return gitRoot(dir), nil
}

// repository refuses before a VM is made what can be no workspace. That git can
// read what looks like a repository is not known yet.
func repository(path string) (string, error) {
	abs, err := absolutePath(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return "", fault.New(fault.Invalid, "%s is no directory on this host", path).WithHint("a command stands behind --: banger run -- CMD")
	}
	if gitRoot(abs) == "" {
		return "", fault.New(fault.Invalid, "%s is in no git work tree", path).
			WithHint("git init makes one; --no-workspace makes a VM without")
	}
	return abs, nil
}
