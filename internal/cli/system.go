package cli

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
)

func (a *App) systemCommand() *cobra.Command {
	return a.group("system", "Manage the disk space that banger uses", "Manage the disk space that banger uses.",
		a.systemDFCommand(), a.systemPruneCommand())
}

// diskTypes are the types of api.DiskUse as tables name them.
func diskTypes(name string) string {
	switch name {
	case "kernels":
		return "Kernels"
	case "images":
		return "Images"
	case "vms":
		return "VMs"
	case "snapshots":
		return "Snapshots"
	case "logs":
		return "Logs"
	case "layers":
		return "Layer cache"
	default:
		return "Other cache"
	}
}

func diskUseView() view[api.DiskUse] {
	return view[api.DiskUse]{
		name: func(u api.DiskUse) string { return u.Type },
		columns: []column[api.DiskUse]{
			{head: "TYPE", cell: func(u api.DiskUse) string { return diskTypes(u.Type) }},
			{head: "TOTAL", cell: func(u api.DiskUse) string { return strconv.Itoa(u.Count) }},
			{head: "ACTIVE", cell: func(u api.DiskUse) string { return strconv.Itoa(u.Active) }},
			{head: "SIZE", cell: func(u api.DiskUse) string { return bytesText(u.SizeBytes) }},
			{head: "RECLAIMABLE", cell: func(u api.DiskUse) string { return bytesText(u.ReclaimableBytes) }},
		},
	}
}

// diskEntry is an entry with its type, as a row.
type diskEntry struct {
	kind string
	api.DiskEntry
}

func diskEntryView() view[diskEntry] {
	return view[diskEntry]{
		columns: []column[diskEntry]{
			{head: "TYPE", cell: func(e diskEntry) string { return diskTypes(e.kind) }},
			{head: "NAME", cell: func(e diskEntry) string { return entryName(e.DiskEntry) }},
			{head: "ID", cell: func(e diskEntry) string { return idText(e.ID) }},
			{head: "SIZE", cell: func(e diskEntry) string { return bytesText(e.SizeBytes) }},
			{head: "IN USE", cell: func(e diskEntry) string {
				if e.Active {
					return "yes"
				}
				return "no"
			}},
		},
	}
}

// entryName is all names of an entry. A damaged image that nothing tells the name of is
// called by its ID.
func entryName(e api.DiskEntry) string {
	switch {
	case len(e.Names) > 1:
		return strings.Join(e.Names, ", ")
	case e.Name == "" && e.Damaged:
		return idText(e.ID)
	}
	return cmp.Or(e.Name, "<none>")
}

func (a *App) systemDFCommand() *cobra.Command {
	var verbose bool
	var f *format
	cmd := &cobra.Command{
		Use: "df", Short: "Show what takes space on the host's disk",
		Long: "Show what takes space on the host's disk. SIZE is what files really take; files that several images or\n" +
			"VMs share count once. RECLAIMABLE is what `banger system prune --all` frees.",
		Example: "  banger system df\n  banger system df -v",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			usage, err := c.DiskUsage(cmd.Context())
			if err != nil {
				return err
			}
			if *f != formatTable || !verbose {
				return diskUseView().list(a, *f, usage.Items)
			}
			var rows []diskEntry
			for _, use := range usage.Items {
				for _, e := range use.Entries {
					rows = append(rows, diskEntry{kind: use.Type, DiskEntry: e})
				}
			}
			return diskEntryView().list(a, *f, rows)
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show each kernel, image and VM")
	f = listFormatFlag(cmd)
	return cmd
}
