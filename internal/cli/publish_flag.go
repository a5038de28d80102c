package cli

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

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
	if p.Proto == api.ProtoUDP {
		text += "/udp"
	}
	return text
}

// cutProto takes /tcp or /udp from the end of ports.
func cutProto(text string) (rest, proto string, err error) {
	rest, proto, found := strings.Cut(text, "/")
	switch {
	case !found:
		return text, api.ProtoTCP, nil
	case proto == api.ProtoTCP || proto == api.ProtoUDP:
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
