package cli

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/plain"
)

func (a *App) vmPortsCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "ports NAME", Short: "List the open ports of a VM and their addresses on the host",
		Long: "List the open ports of a VM and their addresses on the host. Each VM has its own loopback address on the host, where\n" +
			"its open ports appear under the same number, or another if that port is taken. You need not publish them.",
		Example: "  banger vm ports box\n  banger vm ports box -o json",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1, api.VMRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			ctx := cmd.Context()
			c, err := a.daemon(ctx)
			if err != nil {
				return err
			}
			ports, err := c.VMPorts(ctx, given[0])
			if err != nil {
				return err
			}
			return portView().list(a, *f, ports)
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func portView() view[api.Port] {
	return view[api.Port]{name: portEndpoint, columns: []column[api.Port]{
		{head: "PROTO", cell: func(p api.Port) string { return p.Proto }},
		{head: "ENDPOINT", cell: portEndpoint},
		{head: "PROCESS", cell: func(p api.Port) string { return p.Process }},
		{head: "COMMAND", cell: func(p api.Port) string { return plain.Columns(p.Command, 60) }},
		{head: "NOTE", cell: portNote, optional: true},
	}}
}

// portEndpoint is what to type into a browser or a client.
func portEndpoint(p api.Port) string {
	switch {
	case p.URL != "":
		return p.URL
	case p.Address == "":
		return "-"
	default:
		return p.Endpoint
	}
}

// portNote says what is not as one would expect of a port.
func portNote(p api.Port) string {
	var notes []string
	guest := "guest port " + strconv.Itoa(p.GuestPort)
	switch {
	case p.Problem != "":
		notes = append(notes, guest+" is not available: "+p.Problem)
	case p.Port != p.GuestPort:
		notes = append(notes, guest)
	}
	if addr, err := netip.ParseAddr(p.Address); err == nil && addr.IsUnspecified() {
		notes = append(notes, "on all host addresses")
	}
	if p.Loopback && p.Listening {
		notes = append(notes, "loopback")
	}
	if p.Source != "auto" && p.Source != "" {
		notes = append(notes, p.Source)
	}
	if !p.Listening {
		notes = append(notes, "nothing is listening in the guest")
	}
	return strings.Join(notes, ", ")
}

// sayUnpublished tells which published ports of VMs that were started are not on the
// host; that is no error, for they come when whoever has them lets go.
func (a *App) sayUnpublished(ctx context.Context, names []string) {
	c, err := a.daemon(ctx)
	if err != nil {
		return
	}
	for _, name := range names {
		v, err := c.GetVM(ctx, name)
		if err != nil || len(v.Publish) == 0 {
			continue
		}
		ports, _ := c.VMPorts(ctx, v.ID) // there are none of a VM that did not start
		for _, p := range ports {
			if p.Source == "published" && p.Problem != "" {
				a.say("note: published port " + strconv.Itoa(p.GuestPort) + " of " + v.Name + " is not available yet: " + plain.Line(p.Problem, maxShown))
			}
		}
	}
}
