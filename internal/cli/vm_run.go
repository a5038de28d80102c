package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) vmRunCommand() *cobra.Command {
	var spec *vmSpec
	var opts runOptions
	cmd := &cobra.Command{
		Use:   "run [FLAGS] [IMAGE|PATH] [[--] CMD [ARG...]]",
		Short: "Create a VM and run a command in it",
		Long: "Create a VM and run CMD in it, connected to your terminal. With an IMAGE and no CMD, run the entrypoint and command\n" +
			"of the image. With neither, or with -q and no CMD, print the next steps.\n\n" +
			"The first word is a PATH if a directory with that name exists, otherwise an IMAGE. Flags go before CMD. CMD runs as\n" +
			"it is, without the entrypoint of the image.\n\n" +
			"The git work tree at PATH (default: the current directory) is copied to the VM as its workspace, and CMD runs in\n" +
			"the matching directory in the VM. `banger vm workspace export` prints the changes as a patch. With --rm, the VM is\n" +
			"deleted when CMD ends, unless the workspace has unexported changes.\n\n" +
			"The exit status is that of CMD, or 125 if banger itself fails.",
		Example: `  banger vm run --rm debian uname -a
  banger vm run --rm -it debian bash
  banger vm run --name box --memory 2GiB
  banger vm run ~/src/project make test`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			images, _ := a.imageNames(1)(cmd, given, prefix)
			return images, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			err := opts.take(cmd, given, func() bool { return spec.req.Image != nil })
			if help, helpErr := cmd.Flags().GetBool("help"); helpErr == nil && help {
				return cmd.Help()
			}
			if err == nil {
				err = a.runCreated(cmd.Context(), spec, opts)
			}
			if len(opts.command) > 0 || opts.ofImage {
				return ownFailure(err)
			}
			return err
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return ownFailure(flagError(cmd, err)) })
	spec = a.vmSpecFlags(cmd)
	commandFlags(cmd, &opts.exec)
	runDefaults(cmd)
	opts.exec.env = &pairs{} // -e is for the whole VM
	cmd.Flags().BoolVar(&opts.remove, "rm", false, "delete the VM when CMD ends")
	cmd.Flags().BoolVar(&opts.noWorkspace, "no-workspace", false, "do not copy the git work tree")
	opts.mode = workspaceModeFlag(cmd)
	a.quietFlag(cmd)
	return cmd
}

// runDefaults says of the flags that exec has too what run chooses without them.
func runDefaults(cmd *cobra.Command) {
	for name, usage := range map[string]string{
		"tty":         "allocate a terminal (default: if stdin, stdout and stderr are terminals)",
		"interactive": "pass stdin; without -t, allocate no terminal",
		"workdir":     "run in `DIR` (default: the workspace, otherwise the image's working directory)",
		"user":        "run as `USER`: a name, UID or UID:GID (default: root in a workspace, otherwise the image's user)",
	} {
		cmd.Flags().Lookup(name).Usage = usage
	}
}

// runCreated completes the request and runs it.
func (a *App) runCreated(ctx context.Context, spec *vmSpec, opts runOptions) error {
	if opts.image != "" {
		ref, err := a.absoluteRef(opts.image)
		if err != nil {
			return err
		}
		spec.req.Image = &ref
	}
	req, err := spec.request()
	if err != nil {
		return err
	}
	return a.vmRun(ctx, req, opts)
}

func (a *App) vmRun(ctx context.Context, req api.CreateVM, opts runOptions) error {
	source, below, err := opts.source()
	if err != nil {
		return err
	}
	c, err := a.lastingDaemon()
	if err != nil {
		return err
	}
	prepare := api.PrepareWorkspace{Path: source, Mode: opts.mode.or("")}
	if source != "" { // what will be refused is refused before a VM is made
		if err := c.CheckWorkspace(ctx, prepare); err != nil {
			return err
		}
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
	if source != "" {
		w, err := a.prepareWorkspace(ctx, c, v.ID, prepare)
		if err != nil {
			return a.withoutWorkspace(ctx, c, v, opts, err)
		}
		v.Workspace = &w
	}
	ran, err := a.runIn(ctx, c, v, opts, below)
	if opts.remove {
		return both(err, a.removeAfter(context.WithoutCancel(ctx), c, v))
	}
	if err != nil || ran {
		return err
	}
	return a.printCreated(v, formatTable)
}

// runIn runs the command, or the image's, in a new VM. ran is false when there is none.
func (a *App) runIn(ctx context.Context, c *client.Client, v api.VM, opts runOptions, below string) (ran bool, err error) {
	if opts.ofImage && !a.quiet {
		if opts.command, err = a.programOf(ctx, c, v); err != nil {
			return false, err
		}
	}
	switch {
	case len(opts.command) == 0 && opts.remove:
		return false, errNoProgram(v)
	case len(opts.command) == 0:
		return false, nil
	}
	command, err := opts.request(a, v.Workspace, below)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return true, err
	}
	return true, a.execIn(ctx, c, namedVM{v.ID, v.Name}, command)
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
	a.say("note: " + v.Name + " is running without a workspace")
	return err
}

// hasWork reports whether there is unexported work in a VM, or may be, and says
// how to get it.
func (a *App) hasWork(ctx context.Context, c *client.Client, v api.VM) bool {
	w, err := c.GetWorkspace(ctx, v.ID)
	switch {
	case errors.Is(err, fault.NotFound):
		return false
	case err == nil && w.State == api.WorkspaceClean:
		return false
	case err == nil && w.State == api.WorkspaceChanged:
		a.say("note: " + v.Name + " is kept: its workspace has unexported changes: " + workText(&w))
	default:
		a.say("note: " + v.Name + " is kept: its workspace may have unexported changes")
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
	_, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) {
		return c.DeleteVM(ctx, v.ID, api.DeleteVM{Force: true})
	}, nil)
	if err == nil || errors.Is(err, fault.NotFound) {
		return nil
	}
	hint := fault.HintOf(err)
	if len(hint) == 0 {
		hint = fault.Hintf("%s", act.VMDelete.On(v.Name, act.Force))
	}
	return fault.Wrap(fault.CodeOf(err), err, "cannot delete %s", v.Name).WithHint("%s", hint)
}
