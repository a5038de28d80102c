package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/plain"
)

func (a *App) egressTestCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "test NAME TARGET [PROTOCOL/PORT]", Short: "Test whether a VM may connect to a target",
		Long: "Test whether the egress policy of a VM allows a connection, and print the rule that decides. TARGET is a DNS name, an\n" +
			"IP address or host (the host's loopback). PROTOCOL/PORT defaults to tcp/443. Nothing connects, and no name is looked up.\n" +
			"The exit status is 1 if the policy denies it.",
		Example: "  banger vm egress test box github.com\n  banger vm egress test box host:8080\n  banger vm egress test box 203.0.113.5 udp/53",
		Args:    args(2, 3, "the NAME of a VM, a TARGET and an optional PROTOCOL/PORT"), ValidArgsFunction: a.vmNames(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.egressTest(cmd.Context(), given[0], strings.Join(given[1:], " "), *f)
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) egressTest(ctx context.Context, name, target string, f format) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	v, err := c.TestVMEgress(ctx, name, api.TestEgress{Target: target})
	if err != nil {
		return err
	}
	if err := verdictView().show(a, f, v); err != nil {
		return err
	}
	if !v.Allowed {
		return &statusError{status: statusFailed}
	}
	return nil
}

func verdictView() view[api.EgressVerdict] {
	word := func(v api.EgressVerdict) string {
		if v.Allowed {
			return "allowed"
		}
		return "denied"
	}
	return view[api.EgressVerdict]{name: word, fields: []column[api.EgressVerdict]{
		{head: "target", cell: func(v api.EgressVerdict) string { return v.Target }},
		{head: "verdict", cell: word},
		{head: "rule", cell: func(v api.EgressVerdict) string {
			if v.Number == 0 {
				return v.Rule
			}
			return strconv.Itoa(v.Number) + "  " + plain.Line(v.Rule, maxShown)
		}},
		{head: "note", cell: func(v api.EgressVerdict) string {
			var notes []string
			if v.ByName {
				notes = append(notes, "the connection must name it, too (TLS or HTTP)")
			}
			if len(v.Unless) > 0 {
				notes = append(notes, "these rules decide instead if the name leads to their addresses: "+plain.Line(strings.Join(v.Unless, "; "), maxShown))
			}
			return strings.Join(notes, "\n")
		}},
	}}
}
