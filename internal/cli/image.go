package cli

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) imageCommand() *cobra.Command {
	return a.group("image", "Manage images", "Manage images. A VM starts with a copy of an image: any OCI image, or a root filesystem.",
		a.imagePullCommand(), a.imageRegisterCommand(), a.imageListCommand(), a.imageShowCommand(), a.imageTagCommand(), a.imageSaveCommand(),
		a.imagePromoteCommand(), a.imageVerifyCommand(), a.imageRepairCommand(), a.imageDeleteCommand(), a.imagePruneCommand())
}

func (a *App) imageListCommand() *cobra.Command {
	var f *format
	var available bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List images",
		Example: "  banger image list\n  banger image list --available",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if available {
				return a.availableImages(cmd.Context(), *f)
			}
			return listAll(cmd.Context(), a, *f, imageView(time.Now()), (*client.Client).ListImages)
		},
	}
	cmd.Flags().BoolVar(&available, "available", false, "list the images of catalogs, pulled or not")
	f = listFormatFlag(cmd)
	return cmd
}

func (a *App) imageShowCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show details of an image",
		Example: "  banger image show debian\n  banger image show debian -o json",
		Args:    args(1, 1, "the NAME of an image"), ValidArgsFunction: a.imageNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return showOne(cmd.Context(), a, *f, imageView(time.Now()), (*client.Client).GetImage, given[0])
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) imageDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"}, Short: "Delete images that no VM uses",
		Long:    "Delete images that no VM uses. If an image has several names, only the given name is removed.",
		Example: "  banger image delete debian\n  banger image rm debian alpine",
		Args:    args(1, -1, "the NAME of an image"), ValidArgsFunction: a.imageNames(-1),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.deleteEach(cmd.Context(), names, (*client.Client).DeleteImage)
		},
	}
}

// listAll prints what one endpoint lists.
func listAll[T any](ctx context.Context, a *App, f format, v view[T], list func(*client.Client, context.Context) ([]T, error)) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	items, err := list(c, ctx)
	if err != nil {
		return err
	}
	return v.list(a, f, items)
}

// showOne prints what one endpoint says of a name.
func showOne[T any](ctx context.Context, a *App, f format, v view[T],
	get func(*client.Client, context.Context, string) (T, error), name string,
) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	item, err := get(c, ctx, name)
	if err != nil {
		return err
	}
	return v.show(a, f, item)
}

func (a *App) deleteEach(ctx context.Context, names []string, remove func(*client.Client, context.Context, string) error) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	return a.sideBySide(names, "deleted", func(name string) error { return remove(c, ctx, name) })
}

// absoluteRef makes the path in a reference absolute, since the daemon's
// directory is another.
func (a *App) absoluteRef(ref string) (string, error) {
	scheme, path, found := strings.Cut(ref, ":")
	if !found {
		return ref, nil
	}
	switch scheme {
	case "oci", "oci-archive", "docker-archive", "tar":
	default:
		return ref, nil
	}
	if path == "" {
		return "", fault.New(fault.Invalid, "%q has no path", ref).WithHint("use %s:PATH", scheme)
	}
	if scheme == "tar" && path == "-" || filepath.IsAbs(path) {
		return ref, nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return scheme + ":" + abs, nil
}
