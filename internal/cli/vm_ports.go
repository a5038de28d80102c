package cli

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
)

func (a *App) vmPortsCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "ports NAME", Short: "List listening ports and their host addresses",
		Long: "List the ports that listen in a VM, and their addresses on the host: the VM's own loopback address and the same port,\n" +
			"or another port if that one is unavailable. Nothing has to be published.",
		Args: args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1, vmRunning),
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
		{head: "COMMAND", cell: func(p api.Port) string { return clipText(p.Command, 60) }},
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
	guest := "port " + strconv.Itoa(p.GuestPort) + " of the guest"
	switch {
	case p.Problem != "":
		notes = append(notes, guest+" is not here: "+p.Problem)
	case p.Port != p.GuestPort:
		notes = append(notes, guest)
	}
	if addr, err := netip.ParseAddr(p.Address); err == nil && addr.IsUnspecified() {
		notes = append(notes, "on all addresses of this host")
	}
	if p.Loopback && p.Listening {
		notes = append(notes, "loopback")
	}
	if p.Source != "auto" && p.Source != "" {
		notes = append(notes, p.Source)
	}
	if !p.Listening {
		notes = append(notes, "nothing listens in the guest")
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
				a.say("note: published port " + strconv.Itoa(p.GuestPort) + " of " + v.Name + " is not available yet: " + printable(p.Problem, " "))
			}
		}
	}
}
