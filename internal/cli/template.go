package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (a *App) templateCommand() *cobra.Command {
	return a.group("template", "Manage templates",
		"Manage templates. A template is a saved machine from which VMs of its shape start without booting a kernel.\n"+
			"With `template = \"auto\"` in config.toml, banger makes and uses them by itself.",
		a.templateListCommand(), a.templateBuildCommand(), a.templatePruneCommand())
}

// shortKey is how much of a key people see: enough to tell one from others.
const shortKey = 12

func templateView(now time.Time) view[api.Template] {
	network := func(t api.Template) string {
		if t.Network {
			return "yes"
		}
		return "no"
	}
	return view[api.Template]{
		name: func(t api.Template) string { return t.Key },
		columns: []column[api.Template]{
			{head: "KEY", cell: func(t api.Template) string { return t.Key[:min(len(t.Key), shortKey)] }},
			{head: "DRIVER", cell: func(t api.Template) string { return t.Driver }},
			{head: "KERNEL", cell: func(t api.Template) string { return t.Kernel }},
			{head: "VCPU", cell: func(t api.Template) string { return strconv.Itoa(t.VCPU) }},
			{head: "MEMORY", cell: func(t api.Template) string { return bytesText(t.MemoryBytes) }},
			{head: "NETWORK", cell: network},
			{head: "SIZE", cell: func(t api.Template) string { return bytesText(t.SizeBytes) }},
			{head: "USED", cell: func(t api.Template) string { return ageText(now, t.UsedAt) + " ago" }},
		},
		fields: []column[api.Template]{
			{head: "key", cell: func(t api.Template) string { return t.Key }},
			{head: "driver", cell: func(t api.Template) string { return t.Driver }},
			{head: "kernel", cell: func(t api.Template) string { return t.Kernel }},
			{head: "vcpu", cell: func(t api.Template) string { return strconv.Itoa(t.VCPU) }},
			{head: "memory", cell: func(t api.Template) string { return bytesText(t.MemoryBytes) }},
			{head: "disks", cell: func(t api.Template) string { return strconv.Itoa(t.Disks) }},
			{head: "network", cell: network},
			{head: "size", cell: func(t api.Template) string { return bytesText(t.SizeBytes) }},
			{head: "created", cell: func(t api.Template) string { return timeText(&t.CreatedAt) }},
			{head: "used", cell: func(t api.Template) string { return timeText(&t.UsedAt) }},
		},
	}
}

func (a *App) templateListCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List templates",
		Example: "  banger template list\n  banger template list -o json",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listAll(cmd.Context(), a, *f, templateView(time.Now()), (*client.Client).ListTemplates)
		},
	}
	f = listFormatFlag(cmd)
	return cmd
}

func (a *App) templateBuildCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "build NAME", Short: "Build the template for a VM's shape",
		Long: "Build the template for a VM's shape, unless there is one: its driver, kernel, vCPUs, memory and network. The\n" +
			"VM itself is left alone.",
		Example: "  banger template build box\n  banger template build box -o json",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.templateBuild(cmd.Context(), given[0], *f)
		},
	}
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func (a *App) templateBuild(ctx context.Context, vm string, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return c.BuildTemplate(ctx, vm) }, show.update)
	show.close()
	if err != nil {
		return err
	}
	made, err := client.Result[api.Template](op)
	if err != nil {
		return err
	}
	return templateView(time.Now()).show(a, f, made)
}

func (a *App) templatePruneCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "prune", Short: "Remove all templates",
		Long:    "Remove all templates. Running VMs stay; later VMs boot a kernel until banger has made templates again.",
		Example: "  banger template prune\n  banger template prune -o json",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.templatePrune(cmd.Context(), *f)
		},
	}
	f = listFormatFlag(cmd)
	return cmd
}

func (a *App) templatePrune(ctx context.Context, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	gone, err := c.PruneTemplates(ctx)
	if err != nil {
		return err
	}
	if f != formatTable {
		return a.printValue(f, gone)
	}
	var b strings.Builder
	for _, t := range gone.Templates {
		b.WriteString("removed template " + t.Key[:min(len(t.Key), shortKey)] + " (" + bytesText(t.SizeBytes) + ")\n")
	}
	if len(gone.Templates) == 0 {
		return a.print("nothing to remove\n")
	}
	return a.print(b.String() + "freed " + bytesText(gone.ReclaimedBytes) + "\n")
}

// coldFlag has the starts of one command boot a kernel.
func (a *App) coldFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.cold, "cold", false, "boot a kernel, also where there is a template")
}
