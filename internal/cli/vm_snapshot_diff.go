package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
)

func (a *App) snapshotDiffCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "diff NAME SNAPSHOT [SNAPSHOT]", Short: "List the files that changed since a snapshot",
		Long: "List the files that changed from a snapshot to another, or to the disk of the VM, which must be stopped: A for\n" +
			"added, C for changed, D for deleted. Times of files do not count.",
		Example: "  banger vm snapshot diff box before-upgrade\n  banger vm snapshot diff box before-upgrade after -o json",
		Args:    args(2, 3, whichSnapshot), ValidArgsFunction: a.snapshotNames(3),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			to := ""
			if len(given) > 2 {
				to = given[2]
			}
			diff, err := c.DiffSnapshot(cmd.Context(), given[0], given[1], to)
			if err != nil {
				return err
			}
			return a.printDiff(*f, diff)
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) printDiff(f format, diff api.SnapshotDiff) error {
	if f == formatJSON || f == formatYAML {
		return a.printValue(f, diff)
	}
	var b strings.Builder
	for _, c := range diff.Changes {
		if f != formatName {
			b.WriteString(strings.ToUpper(c.Change[:min(1, len(c.Change))]) + " ")
		}
		b.WriteString(c.Path + "\n")
	}
	if more := diff.Total - len(diff.Changes); more > 0 && f != formatName {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return a.print(b.String())
}
