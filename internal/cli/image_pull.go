package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// standardInput is the reference that stands for a tar on stdin.
const standardInput = "tar:-"

func (a *App) imagePullCommand() *cobra.Command {
	var name, kernel string
	var f *format
	cmd := &cobra.Command{
		Use:   "pull REF",
		Short: "Pull an image from a registry, or take one from a file",
		Long: "Pull an image. REF is one of\n" +
			"  debian:bookworm, ghcr.io/owner/image@sha256:…   from a registry\n" +
			"  oci:DIR[:TAG], oci-archive:FILE                 an OCI layout\n" +
			"  docker-archive:FILE                             what `docker save` wrote\n" +
			"  tar:FILE, tar:-                                 a root filesystem, from a file or stdin",
		Example: `  banger image pull debian:bookworm
  mmdebstrap --variant=minbase bookworm - | banger image pull tar:- --name debian`,
		Args: args(1, 1, "a REF"),
		RunE: func(cmd *cobra.Command, given []string) error {
			ref, err := a.absoluteRef(given[0])
			if err != nil {
				return err
			}
			if ref == standardInput && isTerminal(a.In) {
				return usagef(cmd, "%s reads a tar from stdin, and stdin is a terminal", standardInput)
			}
			return a.imagePull(cmd.Context(), api.PullImage{Ref: ref, Name: name, Kernel: kernel}, *f)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the image (default: made from REF)")
	cmd.Flags().StringVar(&kernel, "kernel", "", "`KERNEL` that its VMs get unless they name one")
	completeFlag(cmd, "kernel", a.kernelNames(-1))
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
	begin := func(ctx context.Context) (api.Operation, error) { return c.PullImage(ctx, req) }
	var send func(ctx context.Context, id string) error
	if req.Ref == standardInput {
		send = func(ctx context.Context, id string) error {
			in := &inputReader{r: a.In}
			err := c.SendInput(ctx, id, in)
			if in.err != nil {
				return fault.Wrap(fault.Invalid, in.err, "read stdin")
			}
			return err
		}
	}
	op, err := followInput(ctx, c, show, begin, send)
	show.close()
	if err != nil {
		return err
	}
	image, err := result[api.Image](op)
	if err != nil {
		return err
	}
	if f != formatTable {
		return imageView(time.Now()).show(a, f, image)
	}
	return a.print("pulled " + imageView(time.Now()).name(image) + " (" + idText(image.ID) + ", " + bytesText(image.DiskUsage) + ")\n")
}

// inputReader remembers how reading stdin failed, which no answer of the
// daemon could tell.
type inputReader struct {
	r   io.Reader
	err error
}

// Read is part of io.Reader.
func (i *inputReader) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.EOF is never wrapped by a Reader
		i.err = err
	}
	return n, err
}
