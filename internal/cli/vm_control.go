package cli

import (
	"context"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/fault"
)

// vmCall changes one VM at once, without an operation.
type vmCall func(ctx context.Context, c *client.Client, name string) (api.VM, error)

func (a *App) eachVMAtOnce(ctx context.Context, names []string, did string, call vmCall) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	return a.sideBySide(names, did, func(name string) error {
		_, err := call(ctx, c, name)
		return err
	})
}

func (a *App) vmPauseCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "pause NAME...",
		Short:             "Pause VMs (memory is kept)",
		Long:              "Pause VMs: stop their vCPUs and keep their memory. Use `banger vm resume` to continue.",
		Example:           "  banger vm pause box\n  banger vm pause web db",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, api.VMRunning),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVMAtOnce(cmd.Context(), names, "paused", func(ctx context.Context, c *client.Client, name string) (api.VM, error) {
				return c.PauseVM(ctx, name)
			})
		},
	}
}

func (a *App) vmResumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "resume NAME...",
		Short:             "Resume paused or suspended VMs",
		Long:              "Resume VMs that were paused or suspended. They continue where they were.",
		Example:           "  banger vm resume box\n  banger vm resume web db",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, api.VMPaused, api.VMSuspended),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVMAtOnce(cmd.Context(), names, "resumed", func(ctx context.Context, c *client.Client, name string) (api.VM, error) {
				return c.ResumeVM(ctx, name)
			})
		},
	}
}

func (a *App) vmSuspendCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use:   "suspend NAME...",
		Short: "Suspend VMs (memory is written to disk)",
		Long: "Suspend VMs: write their memory to disk and end their processes. They use no memory or CPU time until\n" +
			"`banger vm resume` or `banger vm start` continues them. Network connections of the guest are reset.",
		Example:           "  banger vm suspend box\n  banger vm suspend web db",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, api.VMRunning, api.VMPaused),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.eachVM(cmd.Context(), names, vmVerb{
				did: "suspended", already: "is already suspended", format: f,
				begin: func(ctx context.Context, c *client.Client, name string) (api.Operation, error) {
					return c.SuspendVM(ctx, name)
				},
			})
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmKillCommand() *cobra.Command {
	var sig *optional[string]
	cmd := &cobra.Command{
		Use:     "kill NAME...",
		Short:   "Kill VMs, or send a signal to their VMM process",
		Example: "  banger vm kill box\n  banger vm kill --signal TERM web db",
		Long: "Kill VMs, or send a signal to their VMM process. The guest gets no warning: data not yet written to disk is lost.\n" +
			"To shut down cleanly, use `banger vm stop`.",
		Args:              args(1, -1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(-1, api.VMRunning, api.VMPaused, api.VMStarting, api.VMStopping),
		RunE: func(cmd *cobra.Command, names []string) error {
			did := "sent " + sig.or("KILL") + " to"
			return a.eachVMAtOnce(cmd.Context(), names, did, func(ctx context.Context, c *client.Client, name string) (api.VM, error) {
				return c.KillVM(ctx, name, api.KillVM{Signal: sig.or("")})
			})
		},
	}
	sig = optionalFlag(cmd, "signal", "SIGNAL", "signal to send, by name or number (default KILL)", notEmpty)
	complete(cmd, "signal", "KILL", "TERM", "INT", "QUIT", "STOP", "CONT")
	return cmd
}

func (a *App) vmSetCommand() *cobra.Command {
	var req api.UpdateVM
	var labels *pairs
	var publish *publishes
	var env *pairs
	var f *format
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Change the settings of a VM",
		Long: "Change the settings of a stopped VM. You can also change the labels of a running one. A disk can only grow.\n" +
			"A VM keeps the kernel it was created with; --kernel gives it another, or what was pulled under the same name since.\n" +
			"It also keeps the driver of its last start; --driver gives it another, and --driver auto has the next start choose.",
		Example:           "  banger vm set box --vcpu 2 --memory 2GiB\n  banger vm set box --disk 20GiB\n  banger vm set box --label team=blue --label old=",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1, api.VMStopped, api.VMFailed),
		RunE: func(cmd *cobra.Command, given []string) error {
			req.Labels, req.Publish, req.Env = labels.asMap(), publish.all(), env.list
			return a.vmSet(cmd, given[0], req, *f)
		},
	}
	flagInto(cmd, &req.Name, "name", "NAME", "new name of the VM", notEmpty)
	flagInto(cmd, &req.VCPU, "vcpu", "N", "number of vCPUs", parseVCPU)
	flagInto(cmd, &req.MemoryBytes, "memory", "SIZE", "memory size", parseMemory)
	flagInto(cmd, &req.DiskBytes, "disk", "SIZE", "disk size; cannot shrink", parseDisk)
	flagInto(cmd, &req.Kernel, "kernel", "KERNEL", "local kernel to boot from now on", func(name string) (string, error) { return name, nil })
	completeFlag(cmd, "kernel", a.kernelNames(-1))
	flagInto(cmd, &req.Driver, "driver", "DRIVER", "virtual machine monitor from the next start on: "+strings.Join(config.DriverNames(), ", "), asIs)
	complete(cmd, "driver", config.DriverNames()...)
	labels = labelFlag(cmd, "set a label, or remove it with KEY= (repeatable)")
	flagInto(cmd, &req.Nested, "nested", "BOOL", "let the guest run VMs with KVM itself: true or false", strconv.ParseBool)
	complete(cmd, "nested", "true", "false")
	flagInto(cmd, &req.Console, "console", "BOOL", "keep a console log also on firecracker, from the next start on: true or false", strconv.ParseBool)
	complete(cmd, "console", "true", "false")
	flagInto(cmd, &req.Entrypoint, "restart-policy", "POLICY", "restart the entrypoint: no, on-failure or always", parseRestartPolicy)
	complete(cmd, "restart-policy", "no", "on-failure", "always")
	publish = publishFlag(cmd, "replace the published ports with [ADDR:]HOST:GUEST[/udp] (repeatable); an empty value unpublishes all")
	env = a.envFlag(cmd)
	cmd.Flags().StringArrayVar(&req.UnsetEnv, "unset-env", nil, "remove the environment variable `KEY` (repeatable)")
	f = formatFlag(cmd)
	return cmd
}

func (a *App) vmSet(cmd *cobra.Command, name string, req api.UpdateVM, f format) error {
	if reflect.ValueOf(req).IsZero() {
		return usagef(cmd, "%s %s: nothing to change", cmd.CommandPath(), name)
	}
	ctx := cmd.Context()
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	v, err := c.UpdateVM(ctx, name, req)
	if err != nil {
		return err
	}
	return vmView(time.Now()).show(a, f, v)
}

func (a *App) vmPingCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "ping NAME",
		Short:             "Check that the guest agent responds",
		Example:           "  banger vm ping box\n  banger vm ping box && banger vm health box",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1, api.VMRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			ctx := cmd.Context()
			c, err := a.daemon(ctx)
			if err != nil {
				return err
			}
			health, err := c.VMHealth(ctx, given[0])
			if err != nil {
				return err
			}
			took := time.Duration(health.RoundTripNanos)
			if !health.Ready {
				return fault.New(fault.Unavailable, "%s answered in %s but is not ready", given[0], took).
					Try(act.VMLogs.On(given[0]))
			}
			return a.print(given[0] + " answered in " + took.Round(time.Microsecond).String() + "\n")
		},
	}
}
