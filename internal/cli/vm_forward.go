package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/portspec"
)

// defaultHost is where a port goes that names no address of the host.
const defaultHost = "127.0.0.1"

func (a *App) vmForwardCommand() *cobra.Command {
	var remove string
	var f *format
	cmd := &cobra.Command{
		Use: "forward NAME [FORWARD]", Short: "Forward a host port or Unix socket to a VM",
		Long: "Forward a host port or Unix socket to a running VM until the VM stops. Without FORWARD, list the forwards.\n\n" +
			"FORWARD is " + portspec.ForwardForm + ".\n" +
			"HOSTADDR defaults to 127.0.0.1, and GUESTADDR to the guest's loopback address. Use HOSTPORT 0 for any free port.",
		Example: `  banger vm forward box 8080:80
  banger vm forward box 5432:/run/postgresql/.s.PGSQL.5432
  banger vm forward box /tmp/docker.sock:/run/docker.sock
  banger vm forward box --remove 8080:80`,
		Args: args(1, 2, "the NAME of a VM and a FORWARD"), ValidArgsFunction: a.vmNames(1, api.VMRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			switch {
			case cmd.Flags().Changed("remove") && len(given) > 1:
				return usagef(cmd, "--remove %s and %q cannot be used together", remove, given[1])
			case cmd.Flags().Changed("remove"):
				return a.vmForward(cmd.Context(), given[0], remove, *f, a.removeForward)
			case len(given) > 1:
				return a.vmForward(cmd.Context(), given[0], given[1], *f, a.addForward)
			default:
				return a.vmForwards(cmd.Context(), given[0], *f)
			}
		},
	}
	cmd.Flags().StringVar(&remove, "remove", "", "`FORWARD` to remove")
	f = formatFlag(cmd)
	return cmd
}

func forwardView() view[api.Forward] {
	columns := []column[api.Forward]{
		{head: "PROTO", cell: func(w api.Forward) string { return w.Proto }},
		{head: "HOST", cell: func(w api.Forward) string { return w.Host }},
		{head: "GUEST", cell: func(w api.Forward) string { return w.Guest }},
	}
	return view[api.Forward]{columns: columns, fields: columns, name: portspec.ForwardText}
}

func (a *App) vmForwards(ctx context.Context, name string, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	forwards, err := c.VMForwards(ctx, name)
	if err != nil {
		return err
	}
	return forwardView().list(a, f, forwards)
}

// vmForward does something with the forward that spec describes.
func (a *App) vmForward(ctx context.Context, name, spec string, f format, do func(context.Context, *client.Client, api.VM, api.Forward, format) error) error {
	w, err := portspec.ParseForward(spec)
	if err != nil {
		return fault.New(fault.Invalid, "forward %q: %s", spec, err).WithHint("use %s", portspec.ForwardForm)
	}
	if strings.Contains(w.Host, "/") {
		if w.Host, err = absolutePath(w.Host); err != nil {
			return err
		}
	}
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	v, err := c.GetVM(ctx, name)
	if err != nil {
		return err
	}
	if strings.HasPrefix(w.Host, ":") {
		w.Host = defaultHost + w.Host
	}
	return do(ctx, c, v, w, f)
}

func (a *App) addForward(ctx context.Context, c *client.Client, v api.VM, w api.Forward, f format) error {
	made, err := c.AddVMForward(ctx, v.ID, w)
	if err != nil {
		return err
	}
	if f != formatTable {
		return forwardView().show(a, f, made)
	}
	guest := made.Guest
	if !strings.ContainsAny(guest, ":/") {
		guest = "port " + guest
	}
	return a.print("forwarding " + made.Host + " to " + guest + " of " + v.Name + " until it stops\n" +
		"remove it  banger vm forward " + v.Name + " --remove " + portspec.ForwardText(made) + "\n")
}

func (a *App) removeForward(ctx context.Context, c *client.Client, v api.VM, w api.Forward, f format) error {
	all, err := c.VMForwards(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, there := range all {
		if there.Proto != w.Proto || there.Host != w.Host || !portspec.SameGuest(there.Guest, w.Guest) {
			continue
		}
		if err := c.RemoveVMForward(ctx, v.ID, there); err != nil {
			return err
		}
		if f != formatTable {
			return forwardView().show(a, f, there)
		}
		return a.print("removed " + portspec.ForwardText(there) + "\n")
	}
	return fault.New(fault.NotFound, "%s has no forward %s", v.Name, portspec.ForwardText(w)).WithHint("banger vm forward %s", v.Name)
}
