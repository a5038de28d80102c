package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/portspec"
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
	one, err := portspec.ParsePublish(text)
	if err != nil {
		return fault.New(fault.Invalid, "--publish %q: %s", text, err).
			WithHint("use, for example, --publish 8080:80, --publish 127.0.0.1:5353:53/udp or --publish [::1]:0:80")
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
