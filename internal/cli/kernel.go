package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) kernelCommand() *cobra.Command {
	return a.group("kernel", "Manage kernels", "Manage kernels. A VM boots a kernel: a vmlinux and its modules.",
		a.kernelPullCommand(), a.kernelImportCommand(), a.kernelListCommand(), a.kernelShowCommand(), a.kernelDeleteCommand())
}

func kernelView(now time.Time) view[api.Kernel] {
	return view[api.Kernel]{
		name: func(k api.Kernel) string { return k.Name },
		columns: []column[api.Kernel]{
			{head: "NAME", cell: func(k api.Kernel) string { return k.Name }},
			{head: "VERSION", cell: func(k api.Kernel) string { return k.Version }},
			{head: "ARCH", cell: func(k api.Kernel) string { return k.Architecture }},
			{head: "STATUS", cell: func(k api.Kernel) string {
				if k.Damaged {
					return "damaged"
				}
				return "ready"
			}},
			{head: "MODULES", cell: func(k api.Kernel) string { return strconv.Itoa(k.Modules) }},
			{head: "SIZE", cell: func(k api.Kernel) string { return bytesText(k.SizeBytes) }},
			{head: "VMS", cell: func(k api.Kernel) string { return strconv.Itoa(k.VMs) }},
			{head: "AGE", cell: func(k api.Kernel) string {
				if k.ImportedAt.IsZero() {
					return "<unknown>"
				}
				return ageText(now, k.ImportedAt)
			}},
		},
		fields: []column[api.Kernel]{
			{head: "name", cell: func(k api.Kernel) string { return k.Name }},
			{head: "version", cell: func(k api.Kernel) string { return k.Version }},
			{head: "architecture", cell: func(k api.Kernel) string { return k.Architecture }},
			{head: "source", cell: func(k api.Kernel) string { return k.Source }},
			{head: "sha256", cell: func(k api.Kernel) string { return k.SHA256 }},
			{head: "size", cell: func(k api.Kernel) string { return bytesText(k.SizeBytes) }},
			{head: "modules", cell: func(k api.Kernel) string { return strconv.Itoa(k.Modules) }},
			{head: "initrd", cell: func(k api.Kernel) string {
				if k.HasInitrd {
					return "yes (stored, but not used)"
				}
				return "no"
			}},
			{head: "vms", cell: func(k api.Kernel) string { return strconv.Itoa(k.VMs) }},
			{head: "trust", cell: func(k api.Kernel) string {
				return cmp.Or(strings.Join(k.Trust, "; "), "imported from a directory; no catalog vouches for it")
			}},
			{head: "imported", cell: func(k api.Kernel) string { return timeText(&k.ImportedAt) }},
		},
	}
}

func (a *App) kernelListCommand() *cobra.Command {
	var f *format
	var available bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List kernels",
		Example: "  banger kernel list\n  banger kernel list --available",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if available {
				return a.availableKernels(cmd.Context(), *f)
			}
			return listAll(cmd.Context(), a, *f, kernelView(time.Now()), (*client.Client).ListKernels)
		},
	}
	cmd.Flags().BoolVar(&available, "available", false, "list the kernels of catalogs, pulled or not")
	f = listFormatFlag(cmd)
	return cmd
}

func (a *App) kernelShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show details of a kernel",
		Example: "  banger kernel show debian-12\n  banger kernel show debian-12 -o json",
		Args:    args(1, 1, "the NAME of a kernel"), ValidArgsFunction: a.kernelNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return showOne(cmd.Context(), a, *f, kernelView(time.Now()), (*client.Client).GetKernel, given[0])
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) kernelDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"}, Short: "Delete kernels",
		Long:    "Delete kernels. VMs and images that use a kernel keep their own copy of it.",
		Example: "  banger kernel delete debian-12\n  banger kernel rm debian-12 debian-11",
		Args:    args(1, -1, "the NAME of a kernel"), ValidArgsFunction: a.kernelNames(-1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.deleteEach(cmd.Context(), names, func(c *client.Client, ctx context.Context, name string) error {
				deleted, err := c.DeleteKernel(ctx, name)
				if len(deleted.KeptBy) > 0 {
					a.say("note: " + strings.Join(deleted.KeptBy, ", ") + " used " + name + "; each keeps its own copy")
				}
				return err
			})
		},
	}
}

func (a *App) kernelImportCommand() *cobra.Command {
	var from string
	var f *format
	cmd := &cobra.Command{
		Use:   "import NAME --from DIR",
		Short: "Import a kernel from a directory",
		Long: "Import a kernel from a directory: an unpacked kernel package of a distribution (boot/vmlinuz-*, lib/modules/*), or a\n" +
			"directory with a metadata.json.",
		Example: "  banger kernel import mine --from ./kernel\n  dpkg-deb -x linux-image-*.deb /tmp/k && banger kernel import debian-12 --from /tmp/k",
		Args:    args(1, 1, "a NAME"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if from == "" {
				return usagef(cmd, "--from DIR is required")
			}
			return a.kernelImport(cmd.Context(), given[0], from, *f)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&from, "from", "", "`DIR` with the kernel (required)")
	// The only error is that the flag does not exist.
	_ = cmd.MarkFlagDirname("from")
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func (a *App) kernelImport(ctx context.Context, name, from string, f format) error {
	dir, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil {
		return fault.New(fault.NotFound, "--from %s: no such directory", from)
	} else if !info.IsDir() {
		return fault.New(fault.Invalid, "--from %s is not a directory", from).WithHint("unpack the package first, for example with `dpkg-deb -x`")
	}
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	return a.makeKernel(ctx, c, f, "imported", func(ctx context.Context) (api.Operation, error) {
		return c.ImportKernel(ctx, api.ImportKernel{Name: name, From: dir})
	})
}

// makeKernel follows the operation that begin begins, and prints the kernel that
// it made.
func (a *App) makeKernel(ctx context.Context, c *client.Client, f format, did string, begin func(context.Context) (api.Operation, error)) error {
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, begin, show.update)
	show.close()
	if err != nil {
		return err
	}
	k, err := client.Result[api.Kernel](op)
	if err != nil {
		return err
	}
	if a.quiet && f == formatTable {
		f = formatName
	}
	if f != formatTable {
		return kernelView(time.Now()).show(a, f, k)
	}
	return a.print(did + " " + k.Name + " (" + k.Version + ", " + fault.Count(k.Modules, "module") + ")\n")
}
