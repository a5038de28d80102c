package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) imageSaveCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "save NAME",
		Short: "Save an image to an OCI archive",
		Long: "Save an image to an OCI archive, a tar file that `banger image pull oci-archive:FILE`, skopeo and\n" +
			"podman can read. It has the image's configuration and the layers that were pulled, if they are still in\n" +
			"the cache, and those that `banger vm commit` added. Otherwise all files are in one merged layer. -o replaces FILE\n" +
			"once the archive is complete. An image whose files have changed is not saved.",
		Example: "  banger image save debian -o debian.tar\n  banger image save debian | ssh otherhost 'cat > debian.tar'",
		Args:    args(1, 1, "the NAME of an image"), ValidArgsFunction: a.imageNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if toStdout(output) && isTerminal(a.Out) {
				return usagef(cmd, "the archive is not text, and stdout is a terminal; use -o FILE")
			}
			return a.imageSave(cmd.Context(), given[0], output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write the archive to `FILE` (default: stdout)")
	_ = cmd.MarkFlagFilename("output") // its only error is that there is no such flag
	return cmd
}

func (a *App) imageSave(ctx context.Context, name, output string) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	data, err := c.SaveImage(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }()
	if data.Layers.Lost != "" {
		a.say("warning: " + data.Layers.Lost + "; the archive has its files in a merged layer")
	}
	if !toStdout(output) {
		path, err := writeWhole(output, data)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		digest := ""
		if data.Digest != "" {
			digest = ", digest " + data.Digest
		}
		return a.print("saved " + name + " to " + path + " (" + bytesText(info.Size()) + digest + ")" + layersText(data.Layers) + "\n")
	}
	if _, err := io.Copy(a.Out, data); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the archive is not complete")
	}
	return nil
}

// layersText says which layers an archive has; nothing if the daemon did not.
func layersText(l api.ArchiveLayers) string {
	var parts []string
	if l.Pulled > 0 {
		parts = append(parts, fault.Count(l.Pulled, "pulled layer"))
	}
	if l.Merged > 0 {
		parts = append(parts, fault.Count(l.Merged, "merged layer"))
	}
	if l.Committed > 0 {
		parts = append(parts, fmt.Sprintf("%d from vm commit", l.Committed))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// toStdout reports whether a FILE to write stands for stdout.
func toStdout(file string) bool { return file == "" || file == "-" }
