package cli

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// defaultHost is where a port goes that names no address of the host.
const defaultHost = "127.0.0.1"

const forwardForm = "[HOSTADDR:]HOSTPORT:[GUESTADDR:]GUESTPORT[/udp]; either side can also be the absolute path of a Unix socket"

func (a *App) vmForwardCommand() *cobra.Command {
	var remove string
	var f *format
	cmd := &cobra.Command{
		Use: "forward NAME [FORWARD]", Short: "Forward a host port or Unix socket to a VM",
		Long: "Forward a host port or Unix socket to a running VM until the VM stops. Without FORWARD, list the forwards.\n\n" +
			"FORWARD is " + forwardForm + ".\n" +
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
	cmd.Flags().StringVar(&remove, "remove", "", "remove this `FORWARD`")
	f = formatFlag(cmd)
	return cmd
}

func forwardView() view[api.Forward] {
	columns := []column[api.Forward]{
		{head: "PROTO", cell: func(w api.Forward) string { return w.Proto }},
		{head: "HOST", cell: func(w api.Forward) string { return w.Host }},
		{head: "GUEST", cell: func(w api.Forward) string { return w.Guest }},
	}
	return view[api.Forward]{columns: columns, fields: columns, name: forwardText}
}

// forwardText is the forward as --remove takes it.
func forwardText(w api.Forward) string {
	text := w.Host + ":" + w.Guest
	if w.Proto == api.ProtoUDP {
		text += "/udp"
	}
	return text
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
	w, err := parseForward(spec)
	if err != nil {
		return err
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
		"remove it  banger vm forward " + v.Name + " --remove " + forwardText(made) + "\n")
}

func (a *App) removeForward(ctx context.Context, c *client.Client, v api.VM, w api.Forward, f format) error {
	all, err := c.VMForwards(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, there := range all {
		if there.Proto != w.Proto || there.Host != w.Host || !sameGuest(there.Guest, w.Guest) {
			continue
		}
		if err := c.RemoveVMForward(ctx, v.ID, there); err != nil {
			return err
		}
		if f != formatTable {
			return forwardView().show(a, f, there)
		}
		return a.print("removed " + forwardText(there) + "\n")
	}
	return fault.New(fault.NotFound, "%s has no forward %s", v.Name, forwardText(w)).WithHint("banger vm forward %s", v.Name)
}

// sameGuest compares sides of the guest, where a port alone is one of its loopback.
func sameGuest(a, b string) bool {
	full := func(s string) string {
		if strings.ContainsAny(s, ":/") {
			return s
		}
		return "127.0.0.1:" + s
	}
	return full(a) == full(b)
}

// parseForward reads a FORWARD. The host's side of one without HOSTADDR begins
// with a colon.
func parseForward(text string) (api.Forward, error) {
	bad := func(why string) (api.Forward, error) {
		return api.Forward{}, fault.New(fault.Invalid, "forward %q: %s", text, why).WithHint("use %s", forwardForm)
	}
	rest, proto := text, api.ProtoTCP
	// In a path, what stands behind a slash is no protocol.
	if at := strings.IndexByte(text, '/'); at > 0 && isDigit(text[at-1]) && !strings.ContainsAny(text[at+1:], "/:") {
		var err error
		if rest, proto, err = cutProto(text); err != nil {
			return bad(err.Error())
		}
	}
	words := splitAddress(rest)
	host, words, err := forwardSide(words, true)
	if err != nil {
		return bad(err.Error())
	}
	if len(words) == 0 {
		return bad("the guest side is missing")
	}
	guest, words, err := forwardSide(words, false)
	switch {
	case err != nil:
		return bad(err.Error())
	case len(words) > 0:
		return bad(quote(strings.Join(words, ":")) + " is not part of a forward")
	}
	if isPath(host) || isPath(guest) {
		if proto == api.ProtoUDP {
			return bad("a Unix socket cannot carry UDP")
		}
		proto = api.ProtoUnix
	}
	return api.Forward{Proto: proto, Host: host, Guest: guest}, nil
}

// forwardSide takes the words of one side of a forward from the front.
func forwardSide(words []string, host bool) (side string, rest []string, err error) {
	first := words[0]
	if strings.Contains(first, "/") {
		if host && !filepath.IsAbs(first) {
			first, err = absolutePath(first)
		}
		if err == nil && !filepath.IsAbs(first) {
			err = errors.New(quote(first) + " is not an absolute path")
		}
		return first, words[1:], err
	}
	_, err = parsePort(first, host)
	if err == nil {
		if host {
			first = ":" + zeroPort(first)
		}
		return first, words[1:], nil
	}
	addr, addrErr := parseAddress(first)
	if addrErr != nil {
		if len(words) == 1 {
			return "", nil, err
		}
		return "", nil, addrErr
	}
	if len(words) < 2 {
		return "", nil, errors.New("no port after " + quote(first))
	}
	if _, err := parsePort(words[1], host); err != nil {
		return "", nil, err
	}
	return net.JoinHostPort(addr.String(), zeroPort(words[1])), words[2:], nil
}

func zeroPort(text string) string {
	if text == "" {
		return "0"
	}
	return text
}

func isPath(side string) bool { return strings.HasPrefix(side, "/") }

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
