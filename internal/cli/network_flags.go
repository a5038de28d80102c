package cli

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// The protocols of ports and forwards, as in the API.
const (
	protoTCP  = "tcp"
	protoUDP  = "udp"
	protoUnix = "unix"
)

// The networks of a VM, as in api.VM.Network.
const (
	networkUser = "user"
	networkNone = "none"
)

// Which ports appear by themselves, as in api.VM.Ports.
const (
	portsAll    = "all"
	portsShared = "shared"
	portsNone   = "none"
)

// networkFlags are the flags by which create and run describe a VM's network.
type networkFlags struct {
	network *optional[string]
	egress  *optional[string]
	publish *publishes
	ports   *optional[string]
}

func (a *App) networkFlags(cmd *cobra.Command) networkFlags {
	f := networkFlags{
		network: optionalFlag(cmd, "network", "MODE", "user (a private network) or none (no network device) (default user)", func(text string) (string, error) {
			return oneOf("--network", text, networkUser, networkNone)
		}),
		egress: optionalFlag(cmd, "egress", "POLICY", "what the VM may reach: all, none, packages, ai, a list of rules, or @FILE; see 'banger vm egress --help'"+fromConfig("network.egress", ""), a.policyFile),
		publish: publishFlag(cmd,
			"publish a guest port on the host as `[ADDR:]HOST:GUEST`[/udp] (repeatable)"),
	}
	f.ports = optionalFlag(cmd, "ports", "WHICH", "guest ports to forward to this host automatically: all, shared (all but those on the guest's loopback) or none"+fromConfig("network.ports", ""), func(text string) (string, error) {
		return oneOf("--ports", text, portsAll, portsShared, portsNone)
	})
	complete(cmd, "ports", portsAll, portsShared, portsNone)
	complete(cmd, "network", networkUser, networkNone)
	complete(cmd, "egress", egress.Presets()...)
	return f
}

// apply puts what was given into req.
func (f networkFlags) apply(req *api.CreateVM) error {
	if f.network.or("") == networkNone && f.egress.value != nil {
		return &usageError{
			message: "--network none and --egress cannot be used together",
			hint:    "remove one of them",
		}
	}
	req.Network, req.Egress, req.Publish = f.network.value, f.egress.value, f.publish.list
	req.Ports = f.ports.value
	return nil
}

// publishes is the repeatable flag --publish. An empty value takes back those before it.
type publishes struct {
	list  []api.Publish
	given bool
}

func publishFlag(cmd *cobra.Command, usage string) *publishes {
	p := &publishes{}
	cmd.Flags().VarP(p, "publish", "p", usage)
	return p
}

func (p *publishes) String() string { return "" }

// Set is part of pflag.Value.
func (p *publishes) Set(text string) error {
	p.given = true
	if text == "" {
		p.list = nil
		return nil
	}
	one, err := parsePublish(text)
	if err != nil {
		return err
	}
	taken := func(o api.Publish) bool {
		return o.HostPort == one.HostPort && o.HostAddress == one.HostAddress && o.Proto == one.Proto
	}
	if one.HostPort != 0 && slices.ContainsFunc(p.list, taken) {
		return fault.New(fault.Invalid, "--publish %s: host port %d is already published", text, one.HostPort).
			WithHint("use another host port, or 0 for any free port")
	}
	p.list = append(p.list, one)
	return nil
}

// Type is part of pflag.Value.
func (p *publishes) Type() string { return "PORTS" }

// all is what a change of the VM replaces its ports with; nil: nothing was said.
func (p *publishes) all() *[]api.Publish {
	if !p.given {
		return nil
	}
	list := append([]api.Publish{}, p.list...)
	return &list
}

// parsePublish reads [HOSTADDR:]HOSTPORT:GUESTPORT[/udp]. A HOSTPORT of 0, or
// none, is any free one.
func parsePublish(text string) (api.Publish, error) {
	bad := func(why string) (api.Publish, error) {
		return api.Publish{}, fault.New(fault.Invalid, "--publish %q: %s", text, why).
			WithHint("use, for example, --publish 8080:80, --publish 127.0.0.1:5353:53/udp or --publish [::1]:0:80")
	}
	rest, proto, err := cutProto(text)
	if err != nil {
		return bad(err.Error())
	}
	words := splitAddress(rest)
	p := api.Publish{Proto: proto}
	switch len(words) {
	case 2:
	case 3:
		addr, err := parseAddress(words[0])
		if err != nil {
			return bad(err.Error())
		}
		p.HostAddress, words = addr.String(), words[1:]
	default:
		return bad("it is not in the form [ADDR:]HOST:GUEST[/udp]")
	}
	if p.HostPort, err = parsePort(words[0], true); err != nil {
		return bad(err.Error())
	}
	if p.GuestPort, err = parsePort(words[1], false); err != nil {
		return bad(err.Error())
	}
	return p, nil
}

func publishText(p api.Publish) string {
	text := strconv.Itoa(p.HostPort) + ":" + strconv.Itoa(p.GuestPort)
	if p.HostAddress != "" {
		text = net.JoinHostPort(p.HostAddress, text)
	}
	if p.Proto == protoUDP {
		text += "/udp"
	}
	return text
}

// cutProto takes /tcp or /udp from the end of ports.
func cutProto(text string) (rest, proto string, err error) {
	rest, proto, found := strings.Cut(text, "/")
	switch {
	case !found:
		return text, protoTCP, nil
	case proto == protoTCP || proto == protoUDP:
		return rest, proto, nil
	default:
		return "", "", errors.New(quote(proto) + " is not tcp or udp")
	}
}

// splitAddress splits at the colons that are not in brackets.
func splitAddress(text string) []string {
	depth, from := 0, 0
	var words []string
	for i, r := range text {
		switch {
		case r == '[':
			depth++
		case r == ']':
			depth--
		case r == ':' && depth == 0:
			words = append(words, text[from:i])
			from = i + 1
		}
	}
	return append(words, text[from:])
}

// parseAddress reads an IP address; one of IPv6 stands in brackets.
func parseAddress(text string) (netip.Addr, error) {
	bare, bracketed := strings.CutPrefix(text, "[")
	if bracketed {
		bare = strings.TrimSuffix(bare, "]")
	}
	addr, err := netip.ParseAddr(bare)
	if err != nil || addr.Is6() != bracketed {
		return netip.Addr{}, errors.New(quote(text) + " is not an IP address")
	}
	return addr, nil
}

// parsePort reads a port; choose lets it be 0 or empty, for any free one.
func parsePort(text string, choose bool) (int, error) {
	if text == "" && choose {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 && !choose {
		return 0, errors.New(quote(text) + " is not a valid port")
	}
	return int(n), nil
}

// policyFile is policy without standard input, which create and run keep for
// what runs in the VM.
func (a *App) policyFile(text string) (string, error) {
	if path, isFile := strings.CutPrefix(text, "@"); isFile {
		file, err := os.Open(path)
		if err != nil {
			code := fault.NotFound
			if errors.Is(err, fs.ErrPermission) {
				code = fault.PermissionDenied
			}
			return "", fault.Wrap(code, err, "cannot read the policy in %q", path)
		}
		defer func() { _ = file.Close() }()
		return readPolicy(file, path)
	}
	_, err := egress.Parse(text)
	return text, err
}

// policy reads a POLICY: a preset, the text of rules, @FILE, or - for stdin.
func (a *App) policy(text string) (string, error) {
	if text == "-" {
		return readPolicy(a.In, "stdin")
	}
	return a.policyFile(text)
}

func readPolicy(r io.Reader, from string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, egress.MaxText+1))
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "cannot read the policy in %q", from)
	}
	if len(data) > egress.MaxText {
		return "", fault.New(fault.Invalid, "the policy in %q is larger than %d bytes", from, egress.MaxText)
	}
	_, err = egress.Parse(string(data))
	return string(data), err
}
