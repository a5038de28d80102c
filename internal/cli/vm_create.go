package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// vmSpecFlags are the flags by which create and run describe a VM.
type vmSpecFlags struct {
	name   *optional[string]
	image  *optional[string]
	kernel *optional[string]
	vcpu   *optional[int]
	memory *optional[int64]
	disk   *optional[int64]
	init   *optional[string]
	env    *pairs
	labels *pairs
	networkFlags
}

func asIs(text string) (string, error) { return text, nil }

func (a *App) vmSpecFlags(cmd *cobra.Command) vmSpecFlags {
	f := vmSpecFlags{
		name:   optionalFlag(cmd, "name", "NAME", "name of the VM (default: one is made up)", parseName),
		image:  optionalFlag(cmd, "image", "IMAGE", "image, by name, or by a reference with a tag, which is pulled when it is not local", a.absoluteRef),
		kernel: optionalFlag(cmd, "kernel", "KERNEL", "kernel (default: the image's, or the newest)", asIs),
		vcpu:   optionalFlag(cmd, "vcpu", "N", "virtual processors", parseVCPU),
		memory: optionalFlag(cmd, "memory", "SIZE", "memory, as in 2GiB", parseMemory),
		disk:   optionalFlag(cmd, "disk", "SIZE", "disk, as in 8GiB; it takes only what is written", parseDisk),
		init:   optionalFlag(cmd, "init", "MODE", "what PID 1 becomes: auto, image or agent", parseInit),
		env:    a.envFlag(cmd),
		labels: labelFlag(cmd, "put a label (`k=v`) on the VM; repeatable"),

		networkFlags: a.networkFlags(cmd),
	}
	complete(cmd, "init", "auto", "image", "agent")
	completeFlag(cmd, "image", a.imageNames(-1))
	completeFlag(cmd, "kernel", a.kernelNames(-1))
	return f
}

func (f vmSpecFlags) request() (api.CreateVM, error) {
	req := api.CreateVM{
		Name: f.name.value, Image: f.image.value, Kernel: f.kernel.value,
		VCPU: f.vcpu.value, MemoryBytes: f.memory.value, DiskBytes: f.disk.value,
		Init: f.init.value, Env: f.env.list, Labels: f.labels.asMap(),
	}
	err := f.apply(&req)
	return req, err
}

func waitFlag(cmd *cobra.Command) *optional[string] {
	f := optionalFlag(cmd, "wait", "WHAT", "wait until the guest is ready (default) or started, for none, or for port:N", parseWait)
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
	var spec vmSpecFlags
	var wait *optional[string]
	var noStart bool
	var f *format
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a VM, and start it",
		Example: `  banger vm create --name box --image debian --memory 2GiB
  banger vm create --image ghcr.io/owner/image:tag --no-start -o json
  banger vm create --egress packages --publish 8080:80`,
		Args:              args(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := spec.request()
			if err != nil {
				return err
			}
			start := !noStart
			req.Start, req.Wait = &start, wait.or("")
			return a.vmCreate(cmd.Context(), req, *f)
		},
	}
	spec = a.vmSpecFlags(cmd)
	wait = waitFlag(cmd)
	cmd.Flags().BoolVar(&noStart, "no-start", false, "create it only")
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
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
	op, err := follow(ctx, c, show, func(ctx context.Context) (api.Operation, error) { return c.CreateVM(ctx, req) })
	if err != nil {
		return api.VM{}, err
	}
	return result[api.VM](op)
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
	if v.State == vmStopped {
		return text + "\nstart it   banger vm start " + v.Name + "\nremove it  banger rm " + v.Name + "\n"
	}
	dir, export := "", ""
	if v.Workspace != nil {
		dir = " -w " + shellWord(v.Workspace.Path)
		export = "\ntake out   banger vm workspace export " + v.Name + " | " + gitApply(v.Workspace.Source)
	}
	return text + "\nlog in     banger ssh " + v.Name +
		"\nrun in it  banger exec " + v.Name + dir + " -- COMMAND" +
		"\nits ports  banger ports " + v.Name +
		export +
		"\nstop it    banger vm stop " + v.Name +
		"\nremove it  banger rm --force " + v.Name + "\n"
}

func workspacePath(v api.VM) string {
	if v.Workspace == nil {
		return ""
	}
	return v.Workspace.Path
}
