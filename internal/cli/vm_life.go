package cli

import (
	"context"
	"errors"
	"sync"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// atOnce is how many VMs one command works on side by side.
const atOnce = 4

// vmStep begins an operation on one VM.
type vmStep func(ctx context.Context, c *client.Client, name string) (api.Operation, error)

// eachVM does step on every VM, side by side, and prints "did NAME" as each is
// done. It goes on when one fails; the errors come back joined, in the order of names.
func (a *App) eachVM(ctx context.Context, names []string, did string, step vmStep) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	if len(names) == 1 {
		show := a.stagesTo(a.Err)
		defer show.close()
		_, err := follow(ctx, c, show, func(ctx context.Context) (api.Operation, error) { return step(ctx, c, names[0]) })
		show.close()
		if err != nil {
			return err
		}
		return a.print(did + " " + names[0] + "\n")
	}
	return a.sideBySide(names, did, func(name string) error {
		_, err := follow(ctx, c, noStages{}, func(ctx context.Context) (api.Operation, error) { return step(ctx, c, name) })
		return err
	})
}

func (a *App) sideBySide(names []string, did string, do func(name string) error) error {
	errs := make([]error, len(names))
	slots := make(chan struct{}, atOnce)
	var printing sync.Mutex
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if errs[i] = do(name); errs[i] != nil {
				return
			}
			printing.Lock()
			defer printing.Unlock()
			errs[i] = a.print(did + " " + name + "\n")
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// noStages is for operations that run beside others.
type noStages struct{}

func (noStages) update(api.Operation) {}
func (noStages) close()               {}

func (a *App) vmStartCommand() *cobra.Command {
	var wait *optional[string]
	cmd := &cobra.Command{
		Use:               "start NAME...",
		Short:             "Start VMs",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, vmStopped, vmFailed),
		RunE: func(cmd *cobra.Command, names []string) error {
			err := a.eachVM(cmd.Context(), names, "started", func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
				return c.StartVM(ctx, name, api.StartVM{Wait: wait.or("")})
			})
			a.sayUnpublished(cmd.Context(), names)
			return err
		},
	}
	wait = waitFlag(cmd)
	return cmd
}

func (a *App) vmStopCommand() *cobra.Command {
	var timeout *optional[float64]
	cmd := &cobra.Command{
		Use:               "stop NAME...",
		Short:             "Stop VMs gracefully; power off after a timeout",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, vmRunning, vmPaused, vmStarting),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVM(cmd.Context(), names, "stopped", func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
				return c.StopVM(ctx, name, api.StopVM{TimeoutSeconds: timeout.value})
			})
		},
	}
	timeout = timeoutFlag(cmd)
	return cmd
}

func (a *App) vmRestartCommand() *cobra.Command {
	var wait *optional[string]
	var timeout *optional[float64]
	cmd := &cobra.Command{
		Use:               "restart NAME...",
		Short:             "Restart VMs",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1),
		RunE: func(cmd *cobra.Command, names []string) error {
			err := a.eachVM(cmd.Context(), names, "restarted", func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
				return c.RestartVM(ctx, name, api.RestartVM{TimeoutSeconds: timeout.value, Wait: wait.or("")})
			})
			a.sayUnpublished(cmd.Context(), names)
			return err
		},
	}
	wait = waitFlag(cmd)
	timeout = timeoutFlag(cmd)
	return cmd
}

func (a *App) vmDeleteCommand() *cobra.Command {
	var req api.DeleteVM
	cmd := &cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete VMs and their disks",
		Long: "Delete VMs and their disks. A running VM needs --force. A VM whose workspace has unexported changes,\n" +
			"or may have, needs --discard-work, running or not.",
		Example: `  banger rm box
  banger rm --force box
  banger rm --force --discard-work box`,
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVM(cmd.Context(), names, "deleted", func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
				return c.DeleteVM(ctx, name, req)
			})
		},
	}
	cmd.Flags().BoolVarP(&req.Force, "force", "f", false, "delete running VMs too")
	cmd.Flags().BoolVar(&req.DiscardWork, "discard-work", false, "delete VMs with unexported changes too, and lose the changes")
	return cmd
}

func (a *App) vmResetCommand() *cobra.Command {
	var discard bool
	cmd := &cobra.Command{
		Use:   "reset NAME",
		Short: "Put a VM's system back to its image, keeping /root and /home",
		Long: "Put a VM's system back to its image, keeping /root and /home. A workspace elsewhere with unexported\n" +
			"changes needs --discard-work.",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVM(cmd.Context(), names, "reset", func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
				return c.ResetVM(ctx, name, discard)
			})
		},
	}
	cmd.Flags().BoolVar(&discard, "discard-work", false, "reset a VM with unexported changes too, and lose the changes")
	return cmd
}
