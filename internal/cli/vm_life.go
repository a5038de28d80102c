package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// atOnce is how many VMs one command works on side by side.
const atOnce = 4

// vmVerb is an operation on each of several VMs.
type vmVerb struct {
	begin func(ctx context.Context, c *client.Client, name string) (api.Operation, error)
	// did is said of a VM that is done ("did NAME"); already of one that was so
	// before ("NAME already"), whose operation had no stage.
	did     string
	already string
	format  *format
}

// eachVM does verb on every VM, side by side, and tells of each as it is done, or
// with -o json of all at the end. It goes on when one fails; the errors come back
// joined, in the order of names.
func (a *App) eachVM(ctx context.Context, names []string, verb vmVerb) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	done := make([]*api.VM, len(names))
	each := func(i int, show stages) (string, error) {
		op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return verb.begin(ctx, c, names[i]) }, show.update)
		show.close()
		switch {
		case err != nil:
			return "", err
		case *verb.format != formatTable:
			v, err := client.Result[api.VM](op)
			done[i] = &v
			return "", err
		case len(op.Stages) == 0 && verb.already != "":
			return names[i] + " " + verb.already + "\n", nil
		}
		text := verb.did + " " + names[i]
		if slices.ContainsFunc(op.Stages, func(s api.Stage) bool { return s.Name == api.StageDiscardMemory }) {
			text += " (the memory in which it was suspended was discarded)"
		}
		return text + withSnapshots(op) + "\n", nil
	}
	if len(names) == 1 {
		show := a.stagesTo(a.Err)
		defer show.close()
		var text string
		if text, err = each(0, show); err == nil {
			err = a.print(text)
		}
	} else {
		err = a.slots(len(names), func(i int) (string, error) { return each(i, noStages{}) })
	}
	if *verb.format == formatTable {
		return err
	}
	vms := make([]api.VM, 0, len(done))
	for _, v := range done {
		if v != nil {
			vms = append(vms, *v)
		}
	}
	return errors.Join(vmView(time.Now()).list(a, *verb.format, vms), err)
}

// withSnapshots says how many snapshots went with a VM, of the operation that deleted it.
func withSnapshots(op api.Operation) string {
	v, err := client.Result[api.VM](op)
	switch {
	case err != nil || v.Snapshots == nil:
		return ""
	case v.Snapshots.Count == 1:
		return " with its snapshot"
	}
	return " with its " + strconv.Itoa(v.Snapshots.Count) + " snapshots"
}

// sideBySide calls do with each name, and prints "did NAME".
func (a *App) sideBySide(names []string, did string, do func(name string) error) error {
	return a.slots(len(names), func(i int) (string, error) {
		if err := do(names[i]); err != nil {
			return "", err
		}
		return did + " " + names[i] + "\n", nil
	})
}

// slots calls do with each number below n, atOnce of them side by side, and prints
// what it returns.
func (a *App) slots(n int, do func(i int) (string, error)) error {
	errs := make([]error, n)
	slots := make(chan struct{}, atOnce)
	var printing sync.Mutex
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			text, err := do(i)
			if errs[i] = err; err != nil {
				return
			}
			printing.Lock()
			defer printing.Unlock()
			errs[i] = a.print(text)
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
	var rescue bool
	var f *format
	cmd := &cobra.Command{
		Use:     "start NAME...",
		Short:   "Start VMs",
		Example: "  banger vm start box\n  banger vm start web db\n  banger vm start --rescue box",
		Long: "Start VMs. A suspended VM continues where it was; with --cold it boots, and its memory is discarded.\n\n" +
			"Use --rescue to repair a guest that cannot start: the agent runs as PID 1, no service of the image starts, and\n" +
			"`banger vm show` lists what failed. Repair the guest with exec, ssh or cp, then restart the VM.",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, api.VMStopped, api.VMFailed, api.VMSuspended),
		RunE: func(cmd *cobra.Command, names []string) error {
			err := a.eachVM(cmd.Context(), names, vmVerb{
				did: "started", already: "is already running", format: f,
				begin: func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
					return c.StartVM(ctx, name, api.StartVM{Wait: wait.or(""), Rescue: rescue, Cold: a.cold})
				},
			})
			a.sayUnpublished(cmd.Context(), names)
			return err
		},
	}
	wait = waitFlag(cmd)
	a.coldFlag(cmd)
	cmd.Flags().BoolVar(&rescue, "rescue", false, "start a broken guest in rescue mode")
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmStopCommand() *cobra.Command {
	var timeout *optional[float64]
	var f *format
	cmd := &cobra.Command{
		Use:     "stop NAME...",
		Short:   "Stop VMs",
		Example: "  banger vm stop box\n  banger vm stop --timeout 1m web db",
		Long: "Stop VMs: ask each guest to shut down, and power it off after a timeout. The memory of a suspended VM is discarded.\n\n" +
			"Inside a VM, use poweroff or reboot. If the image has neither, use `kill 1`.",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, api.VMRunning, api.VMPaused, api.VMStarting, api.VMSuspended),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVM(cmd.Context(), names, vmVerb{
				did: "stopped", already: "is not running", format: f,
				begin: func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
					return c.StopVM(ctx, name, api.StopVM{TimeoutSeconds: timeout.value})
				},
			})
		},
	}
	timeout = timeoutFlag(cmd, "time to wait before powering off (default 20s)")
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmRestartCommand() *cobra.Command {
	var wait *optional[string]
	var timeout *optional[float64]
	var f *format
	cmd := &cobra.Command{
		Use:               "restart NAME...",
		Short:             "Restart VMs",
		Example:           "  banger vm restart box\n  banger vm restart --timeout 1m web db",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1),
		RunE: func(cmd *cobra.Command, names []string) error {
			err := a.eachVM(cmd.Context(), names, vmVerb{
				did: "restarted", format: f,
				begin: func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
					return c.RestartVM(ctx, name, api.RestartVM{TimeoutSeconds: timeout.value, Wait: wait.or("")})
				},
			})
			a.sayUnpublished(cmd.Context(), names)
			return err
		},
	}
	wait = waitFlag(cmd)
	a.coldFlag(cmd)
	timeout = timeoutFlag(cmd, "time to wait before powering off (default 20s)")
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmDeleteCommand() *cobra.Command {
	var req api.DeleteVM
	var f *format
	cmd := &cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete VMs and their disks",
		Long: "Delete VMs and their disks.\n\n" +
			"Use --force to delete a running VM, and --discard-work to delete one whose workspace may have unexported changes.\n" +
			"A protected VM cannot be deleted; see `banger vm protect`.",
		Example: `  banger vm delete box
  banger vm delete --force web db
  banger vm delete --force --discard-work box`,
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVM(cmd.Context(), names, vmVerb{
				did: "deleted", format: f,
				begin: func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
					return c.DeleteVM(ctx, name, req)
				},
			})
		},
	}
	cmd.Flags().BoolVarP(&req.Force, "force", "f", false, "also delete running VMs")
	cmd.Flags().BoolVar(&req.DiscardWork, "discard-work", false, "also delete VMs with unexported changes; the changes are lost")
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmResetCommand() *cobra.Command {
	var discard bool
	var f *format
	cmd := &cobra.Command{
		Use:   "reset NAME",
		Short: "Reset a VM to its image, but keep /root and /home",
		Long: "Reset a VM to its image, but keep /root and /home.\n\n" +
			"Use --discard-work if its workspace is outside /root and /home and may have unexported changes.",
		Example:           "  banger vm reset box\n  banger vm reset --discard-work box",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVM(cmd.Context(), names, vmVerb{
				did: "reset", format: f,
				begin: func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
					return c.ResetVM(ctx, name, discard)
				},
			})
		},
	}
	cmd.Flags().BoolVar(&discard, "discard-work", false, "also reset a VM with unexported changes; the changes are lost")
	f = formatFlag(cmd)
	return cmd
}
