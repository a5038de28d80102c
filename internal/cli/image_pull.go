package cli

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// standardInput is the reference that stands for a tar on stdin.
const standardInput = "tar:-"

func (a *App) imagePullCommand() *cobra.Command {
	var req api.PullImage
	var size *int64
	var f *format
	cmd := &cobra.Command{
		Use:   "pull REF",
		Short: "Pull an image from a registry, or import one from a file",
		Long: "Pull an image from a registry, or import it from a file. REF is one of:\n" +
			"  debian, alpine, fedora                          catalog: see `banger image list --available`\n" +
			"  debian:bookworm, ghcr.io/owner/image@sha256:... registry\n" +
			"  oci:DIR, oci-archive:FILE                       OCI layout\n" +
			"  docker-archive:FILE                             archive from `docker save`\n" +
			"  tar:FILE, tar:-                                 root filesystem, from a file or stdin\n" +
			"\nIf a layout or archive has several images, choose one with oci:DIR:TAG or oci:DIR@DIGEST.\n" +
			"\nA name that another image has is refused, before anything is downloaded. Use --replace to move the\n" +
			"name to the new image: VMs keep the image that they have, which is then listed as <none>.",
		Example: `  banger image pull debian:bookworm
  banger image pull docker-archive:app.tar --name app
  banger image pull debian:12 --platform linux/arm64 --name debian-arm
  mmdebstrap --variant=minbase bookworm - | banger image pull tar:- --name debian`,
		Args:              args(1, 1, "a REF"),
		ValidArgsFunction: a.completePull,
		RunE: func(cmd *cobra.Command, given []string) error {
			ref, err := a.absoluteRef(given[0])
			if err != nil {
				return err
			}
			if ref == standardInput && isTerminal(a.In) {
				return usagef(cmd, "%s reads a tar file from stdin, but stdin is a terminal", standardInput)
			}
			if req.Kernel != "" && req.KernelRef != "" {
				return usagef(cmd, "--kernel and --kernel-ref cannot be used together")
			}
			req.Ref = ref
			if size != nil {
				req.DiskBytes = *size
			}
			return a.imagePull(cmd.Context(), req, *f)
		},
	}
	cmd.Flags().StringVar(&req.Name, "name", "", "`NAME` of the image (default: derived from REF)")
	cmd.Flags().StringVar(&req.Kernel, "kernel", "", "`KERNEL` that VMs of this image boot"+fromConfig("vm.kernel", "the newest"))
	cmd.Flags().StringVar(&req.KernelRef, "kernel-ref", "", "copy this local `KERNEL` into the image, so that VMs boot it even after `banger kernel rm` (default: none)")
	sizeFlag(cmd, &size)
	cmd.Flags().StringVar(&req.Platform, "platform", "", "`OS/ARCH[/VARIANT]` that the image is built for; VMs boot only images for this host (default: this host's)")
	cmd.Flags().BoolVar(&req.Replace, "replace", false, "take the name from another image, which stays for the VMs that use it")
	completeFlag(cmd, "kernel-ref", a.kernelNames(-1))
	completeFlag(cmd, "kernel", a.kernelNames(-1))
	a.quietFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

func (a *App) imagePull(ctx context.Context, req api.PullImage, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	show := a.stagesTo(a.Err)
	defer show.close()
	sendCtx, stop := context.WithCancel(ctx)
	defer stop()
	in := &input{r: a.In}
	op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) {
		op, err := c.PullImage(ctx, req)
		if err == nil && req.Ref == standardInput {
			// What the daemon makes of the input, the operation says; it does not
			// wait for ever for one that never comes.
			go func() { _ = c.SendInput(sendCtx, op.ID, in) }()
		}
		return op, err
	}, show.update)
	if err != nil && ctx.Err() == nil && in.failure() != nil {
		err = in.failure()
	}
	show.close()
	if err != nil {
		return err
	}
	return a.tellImage("pulled", op, f)
}

// tellImage tells of the image that an operation made.
func (a *App) tellImage(did string, op api.Operation, f format) error {
	image, err := client.Result[api.Image](op)
	if err != nil {
		return err
	}
	if a.quiet && f == formatTable {
		f = formatName
	}
	if f != formatTable {
		return imageView(time.Now()).show(a, f, image)
	}
	return a.print(did + " " + imageView(time.Now()).name(image) + " (" + idText(image.ID) + ", " + bytesText(image.DiskUsage) + ")\n")
}

// input is stdin on its way to an operation. It remembers how reading failed,
// which no answer of the daemon could tell.
type input struct {
	r   io.Reader
	mu  sync.Mutex
	err error
}

// Read is part of io.Reader.
func (i *input) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF {
		i.fail(fault.Wrap(fault.Invalid, err, "cannot read stdin"))
	}
	return n, err
}

func (i *input) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
	}
}

func (i *input) failure() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}
