package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/config"
)

// vmSpec is the VM that the flags of create and run describe.
type vmSpec struct {
	req     api.CreateVM // its Env, Labels and Publish come from the fields below
	env     *pairs
	labels  *pairs
	publish *publishes
}

func asIs(text string) (string, error) { return text, nil }

func (a *App) vmSpecFlags(cmd *cobra.Command) *vmSpec {
	s := &vmSpec{env: a.envFlag(cmd), labels: labelFlag(cmd, "set a label (repeatable)")}
	flagInto(cmd, &s.req.Name, "name", "NAME", "name of the VM (default: generated)", notEmpty)
	flagInto(cmd, &s.req.Image, "image", "IMAGE", "local image, or a reference to pull such as debian:bookworm"+fromConfig("vm.image", ""), a.absoluteRef)
	cmd.Flags().StringVar(&s.req.Platform, "platform", "", "pull the image for `OS/ARCH[/VARIANT]`, which this host must be able to boot (default: this host's)")
	flagInto(cmd, &s.req.Kernel, "kernel", "KERNEL", "kernel to boot"+fromConfig("vm.kernel", "the image's, otherwise the newest"), asIs)
	flagInto(cmd, &s.req.VCPU, "vcpu", "N", "number of vCPUs"+fromConfig("vm.vcpu", ""), parseVCPU)
	flagInto(cmd, &s.req.MemoryBytes, "memory", "SIZE", "memory size"+fromConfig("vm.memory", ""), parseMemory)
	flagInto(cmd, &s.req.DiskBytes, "disk", "SIZE", "disk size, thin-provisioned"+fromConfig("vm.disk", ""), parseDisk)
	flagInto(cmd, &s.req.Init, "init", "MODE", "PID 1: image (the image's init), agent (banger's agent), or auto (the image's if it has one) (default auto)", parseInit)
	flagInto(cmd, &s.req.Driver, "driver", "DRIVER", "virtual machine monitor: "+strings.Join(config.DriverNames(), ", ")+fromConfig("driver", ""), asIs)
	complete(cmd, "driver", config.DriverNames()...)
	cmd.Flags().BoolVar(&s.req.Nested, "nested", false, "let the guest run VMs with KVM itself")
	flagInto(cmd, &s.req.Console, "console", "bool", "keep a console log also on firecracker, where it slows the boot"+fromConfig("vm.console", ""), strconv.ParseBool)
	cmd.Flags().Lookup("console").NoOptDefVal = "true"
	a.coldFlag(cmd)
	s.publish = a.networkFlags(cmd, &s.req)
	complete(cmd, "init", "auto", "image", "agent")
	completeFlag(cmd, "image", a.imageNames(-1))
	completeFlag(cmd, "kernel", a.kernelNames(-1))
	return s
}

func (s *vmSpec) request() (api.CreateVM, error) {
	s.req.Env, s.req.Labels, s.req.Publish = s.env.list, s.labels.asMap(), s.publish.list
	if s.req.Network != nil && *s.req.Network == api.NetworkNone && s.req.Egress != nil {
		return api.CreateVM{}, &usageError{
			message: "--network none and --egress cannot be used together",
			hint:    "remove one of them",
		}
	}
	return s.req, nil
}

// named takes the name from the arguments, where --name does not say it.
func (s *vmSpec) named(cmd *cobra.Command, given []string) error {
	switch {
	case len(given) == 0:
		return nil
	case s.req.Name != nil && *s.req.Name != given[0]:
		return usagef(cmd, "two names for one VM: %q, and --name %q", given[0], *s.req.Name)
	}
	name, err := notEmpty(given[0])
	s.req.Name = &name
	return err
}

func waitFlag(cmd *cobra.Command) *optional[string] {
	f := optionalFlag(cmd, "wait", "WHAT", "wait for ready, started, port:N or none (default ready)", notEmpty)
	complete(cmd, "wait", "ready", "started", "none", "port:")
	return f
}

func (w *optional[T]) or(fallback T) T {
	if w.value == nil {
		return fallback
	}
	return *w.value
}

func (a *App) vmCreateCommand() *cobra.Command {
	var spec *vmSpec
	var wait *optional[string]
	var noStart, entrypoint, noHealthcheck bool
	var restart *optional[string]
	var f *format
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create a VM and start it",
		Long: "Create a VM and start it.\n\n" +
			"A default such as \"512MiB; config: vm.memory\" is 512MiB unless config.toml sets vm.memory. `banger config show`\n" +
			"prints the values in effect.",
		Example: `  banger vm create box
  banger vm create box --image ubuntu:24.04 --vcpu 2 --memory 2GiB
  banger vm create web --egress packages --publish 8080:80
  banger vm create cache --image redis:7 --entrypoint --restart-policy on-failure
  banger vm create --image debian --no-start -o json`,
		Args:              args(0, 1, "one NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := spec.named(cmd, given); err != nil {
				return err
			}
			req, err := spec.request()
			if err != nil {
				return err
			}
			if req.Entrypoint, err = entrypointPolicy(cmd, entrypoint, restart); err != nil {
				return err
			}
			if req.NoHealthcheck = noHealthcheck; noHealthcheck && !entrypoint {
				return usagef(cmd, "--no-healthcheck needs --entrypoint")
			}
			start := !noStart
			req.Start, req.Wait = &start, wait.or("")
			return a.vmCreate(cmd.Context(), req, *f)
		},
	}
	spec = a.vmSpecFlags(cmd)
	wait = waitFlag(cmd)
	cmd.Flags().BoolVar(&entrypoint, "entrypoint", false, "run the entrypoint and command of the image as a service")
	restart = optionalFlag(cmd, "restart-policy", "POLICY", "restart the entrypoint: no, on-failure or always (default no)", parseRestartPolicy)
	complete(cmd, "restart-policy", "no", "on-failure", "always")
	cmd.Flags().BoolVar(&noHealthcheck, "no-healthcheck", false, "do not run the health check of the image")
	cmd.Flags().BoolVar(&noStart, "no-start", false, "create the VM without starting it")
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

// entrypointPolicy is the restart policy that the flags ask for; nil: the entrypoint
// does not run.
func entrypointPolicy(cmd *cobra.Command, run bool, restart *optional[string]) (*string, error) {
	switch {
	case run:
		return new(restart.or("no")), nil
	case restart.value != nil:
		return nil, usagef(cmd, "--restart-policy needs --entrypoint")
	default:
		return nil, nil
	}
}

func (a *App) vmCreate(ctx context.Context, req api.CreateVM, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	v, err := a.createVM(ctx, c, req)
	if err != nil {
		return err
	}
	return a.printCreated(v, f)
}

// printCreated tells of a new VM: with -q its name only.
func (a *App) printCreated(v api.VM, f format) error {
	if a.quiet && f == formatTable {
		f = formatName
	}
	if f != formatTable {
		return vmView(time.Now()).show(a, f, v)
	}
	return a.print(nextSteps(v))
}

// createVM creates a VM and shows the stages.
func (a *App) createVM(ctx context.Context, c *client.Client, req api.CreateVM) (api.VM, error) {
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return c.CreateVM(ctx, req) }, show.update)
	if err != nil {
		return api.VM{}, err
	}
	return client.Result[api.VM](op)
}

// nextSteps tells of a new VM, and what can be done with it.
func nextSteps(v api.VM) string {
	text := renderFields(v, []column[api.VM]{
		{head: "name", cell: func(v api.VM) string { return v.Name }},
		{head: "id", cell: func(v api.VM) string { return v.ID }},
		{head: "state", cell: func(v api.VM) string { return v.State }},
		{head: "address", cell: func(v api.VM) string { return v.Address }},
		{head: "workspace", cell: workspacePath},
	}, false)
	step := func(what, command string) string { return fmt.Sprintf("%-14s  %s\n", what, command) }
	if v.State == api.VMStopped {
		return text + "\n" + step("start it", "banger vm start "+v.Name) + step("remove it", "banger rm "+v.Name)
	}
	dir, export := "", ""
	if v.Workspace != nil {
		dir = " -w " + cmdline.Word(v.Workspace.Path)
		if v.User != "" {
			dir += " -u root" // whose the workspace is
		}
		export = step("export changes", "banger vm workspace export "+v.Name+" | "+gitApply(v.Workspace.Source))
	}
	return text + "\n" + step("log in", "banger ssh "+v.Name) +
		step("run a command", "banger exec "+v.Name+dir+" -- COMMAND") +
		step("list ports", "banger ports "+v.Name) + export +
		step("stop it", "banger vm stop "+v.Name) +
		step("remove it", "banger rm --force "+v.Name)
}

func workspacePath(v api.VM) string {
	if v.Workspace == nil {
		return ""
	}
	return v.Workspace.Path
}
