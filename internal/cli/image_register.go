package cli

import (
	"context"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (a *App) imageRegisterCommand() *cobra.Command {
	var req api.RegisterImage
	var size *int64
	var f *format
	cmd := &cobra.Command{
		Use:   "register --name NAME --rootfs FILE",
		Short: "Make an image of your own ext4 filesystem",
		Long: "Make an image of your own ext4 filesystem. FILE stays where it is, and must not change while the image is in use:\n" +
			"VMs read it and write to disks of their own. `banger image promote` copies it. The kernel and its modules are copied.",
		Example: `  banger image register --name mine --rootfs rootfs.ext4
  banger image register --name mine --rootfs rootfs.ext4 --kernel-ref debian-12`,
		Args: args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkRegister(cmd, req); err != nil {
				return err
			}
			for _, path := range []*string{&req.Rootfs, &req.Kernel, &req.Initrd, &req.Modules} {
				if err := makeAbsolute(path); err != nil {
					return err
				}
			}
			if size != nil {
				req.DiskBytes = *size
			}
			return a.makeImage(cmd.Context(), *f, "registered", func(ctx context.Context, c *client.Client) (api.Operation, error) {
				return c.RegisterImage(ctx, req)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Name, "name", "", "`NAME` of the image (required)")
	flags.StringVar(&req.Rootfs, "rootfs", "", "ext4 filesystem in `FILE` (required)")
	flags.StringVar(&req.Kernel, "kernel", "", "kernel in `FILE`: a vmlinux, a bzImage or an arm64 Image (default: none)")
	flags.StringVar(&req.Initrd, "initrd", "", "initrd of the kernel in `FILE`, kept with it (default: none)")
	flags.StringVar(&req.Modules, "modules", "", "`DIR` with the kernel's modules, like /lib/modules/VERSION; required unless the drivers are built in (default: none)")
	flags.StringVar(&req.KernelRef, "kernel-ref", "", "store this local `KERNEL` with the image (default: none)")
	flags.BoolVar(&req.Replace, "replace", false, "take the name from another image, which stays for the VMs that use it")
	sizeFlag(cmd, &size)
	for _, name := range []string{"rootfs", "kernel", "initrd"} {
		_ = cmd.MarkFlagFilename(name) // the only error is that there is no such flag
	}
	_ = cmd.MarkFlagDirname("modules")
	completeFlag(cmd, "kernel-ref", a.kernelNames(-1))
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

// checkRegister refuses options that do not go together.
func checkRegister(cmd *cobra.Command, req api.RegisterImage) error {
	switch {
	case req.Name == "" || req.Rootfs == "":
		return usagef(cmd, "--name NAME and --rootfs FILE are required")
	case req.KernelRef != "" && req.Kernel+req.Initrd+req.Modules != "":
		return usagef(cmd, "--kernel-ref cannot be used together with --kernel, --initrd and --modules")
	case req.Kernel == "" && req.Initrd+req.Modules != "":
		return usagef(cmd, "--initrd and --modules need --kernel")
	}
	return nil
}

// sizeFlag adds --size to what makes an image.
func sizeFlag(cmd *cobra.Command, into **int64) {
	flagInto(cmd, into, "size", "SIZE", "disk size for VMs of this image"+fromConfig("vm.disk", ""),
		func(text string) (int64, error) { return positiveSize("--size", text) })
}

// makeAbsolute makes a path absolute, since the daemon's directory is another.
func makeAbsolute(path *string) (err error) {
	if *path != "" {
		*path, err = filepath.Abs(*path)
	}
	return err
}

func (a *App) imagePromoteCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "promote NAME", Short: "Copy the filesystem of a registered image",
		Long: "Copy the filesystem of a registered image into banger's directory, using a reflink where possible. VMs that start from\n" +
			"now on do not need your file. Running VMs use it until they stop.",
		Example: "  banger image promote mine\n  banger image promote mine -q",
		Args:    args(1, 1, "the NAME of an image"), ValidArgsFunction: a.imageNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			image, err := c.GetImage(cmd.Context(), given[0])
			if err != nil {
				return err
			}
			if image.External == "" {
				a.say(given[0] + " is already in banger's directory")
				if *f == formatTable {
					return nil
				}
				return imageView(time.Now()).show(a, *f, image)
			}
			return a.makeImage(cmd.Context(), *f, "promoted", func(ctx context.Context, c *client.Client) (api.Operation, error) {
				return c.PromoteImage(ctx, given[0])
			})
		},
	}
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

// makeImage follows an operation whose result is an image, and prints it.
func (a *App) makeImage(ctx context.Context, f format, did string, begin func(context.Context, *client.Client) (api.Operation, error)) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	show := a.stagesTo(a.Err)
	defer show.close()
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return begin(ctx, c) }, show.update)
	show.close()
	if err != nil {
		return err
	}
	return a.tellImage(did, op, f)
}
