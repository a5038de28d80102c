package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) imageVerifyCommand() *cobra.Command {
	return a.imageCheckCommand(&cobra.Command{
		Use: "verify [NAME...]", Short: "Check that the files of images are whole",
		Long:    "Read the files of images and compare their checksums. Without NAME, check all images. Nothing changes.",
		Example: "  banger image verify\n  banger image verify debian",
	}, (*App).verifiedText, (*client.Client).VerifyImage)
}

func (a *App) imageRepairCommand() *cobra.Command {
	return a.imageCheckCommand(&cobra.Command{
		Use: "repair [NAME...]", Short: "Restore missing or changed files of images",
		Long: "Check the files of images and restore those that are missing or have changed. Without NAME, check all images.\n\n" +
			"Files are restored from cached layers, or pulled again if the source still has the same digest. The filesystem of a\n" +
			"registered image is checked and accepted as it is now.",
		Example: "  banger image repair\n  banger image repair debian",
	}, (*App).repairedText, (*client.Client).RepairImage)
}

// imageCheckCommand completes a command that does an operation with images, or with
// each one that is there, and prints what tell makes of the result.
func (a *App) imageCheckCommand(cmd *cobra.Command, tell func(*App, api.RepairedImage) string, begin func(*client.Client, context.Context, string) (api.Operation, error)) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = args(0, -1, ""), a.imageNames(-1)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		ctx := cmd.Context()
		c, err := a.daemon(ctx)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			if names, err = everyImage(ctx, c); err != nil {
				return err
			}
		}
		show := stages(noStages{})
		if len(names) == 1 {
			show = a.stagesTo(a.Err)
		}
		defer show.close()
		return a.slots(len(names), func(i int) (string, error) {
			op, err := c.Follow(ctx, func(ctx context.Context) (api.Operation, error) { return begin(c, ctx, names[i]) }, show.update)
			if len(names) == 1 {
				show.close()
			}
			if err != nil {
				return "", err
			}
			done, err := client.Result[api.RepairedImage](op)
			return tell(a, done), err
		})
	}
	return cmd
}

func (*App) verifiedText(i api.RepairedImage) string { return "verified " + checkedImage(i) }

// repairedText says what a repair did, and what could be done about what it could not.
func (a *App) repairedText(i api.RepairedImage) string {
	if !i.Changed {
		return "nothing was wrong with " + checkedImage(i)
	}
	if name := imageName(i.Image); i.LostLayers > 0 {
		vm, _ := strings.CutPrefix(i.Ref, "vm:")
		a.say("warning: " + i.Lost + "; " + name + " has lost " + fault.Count(i.LostLayers, "layer") + " of vm commit, and is saved as one merged layer\n" +
			"  its files are whole, and VMs start from it; to have a layer again, commit the VM again: banger vm commit --replace " + vm + " " + name +
			", or pull an archive that you saved: banger image pull --replace --name " + name + " oci-archive:FILE")
	}
	return "repaired " + checkedImage(i)
}

func checkedImage(i api.RepairedImage) string {
	name, about := imageName(i.Image), bytesText(i.DiskUsage)
	if name != i.ID {
		about = idText(i.ID) + ", " + about
	}
	return name + " (" + about + ")\n"
}

// everyImage returns one name, or id, of each image.
func everyImage(ctx context.Context, c *client.Client) ([]string, error) {
	images, err := c.ListImages(ctx)
	if err != nil {
		return nil, err
	}
	var names, ids []string
	for _, i := range images {
		if !slices.Contains(ids, i.ID) {
			names, ids = append(names, imageName(i)), append(ids, i.ID)
		}
	}
	return names, nil
}

func (a *App) imageTagCommand() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use: "tag NAME NEW", Short: "Give an image another name",
		Long:    "Give an image another name. `banger image delete` removes a name, and the image with its last name.",
		Example: "  banger image tag debian base\n  banger image tag debian base --replace",
		Args:    args(2, 2, "the NAME of an image and a NEW name"), ValidArgsFunction: a.imageNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			image, err := c.TagImage(cmd.Context(), given[0], api.TagImage{Name: given[1], Replace: replace})
			if err != nil {
				return err
			}
			return a.print("tagged " + idText(image.ID) + " as " + image.Name + "\n")
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "take the name from another image, which stays for the VMs that use it")
	return cmd
}
