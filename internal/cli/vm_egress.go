package cli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/plain"
)

const policyHelp = "POLICY is a preset (all, none, packages, ai), a list of rules separated by semicolons, @FILE, or - for stdin:\n" +
	"  default deny; allow *.example.org; allow 203.0.113.0/24 tcp/1024-2048; deny any udp\n" +
	"The first matching rule decides. To let a VM reach the host or a private network, a rule must name it: \"allow\n" +
	"host:8080\" for a port on the host, which is host.vm in the guest."

func (a *App) vmEgressCommand() *cobra.Command {
	return a.group("egress", "Manage what a VM may reach on the network",
		"Manage the egress policy of a VM: which names, addresses, protocols and ports it may reach. You can change it while the\n"+
			"VM runs; connections that are no longer allowed are cut.\n\n"+policyHelp,
		a.egressShowCommand(), a.egressSetCommand(), a.egressAddCommand("allow"), a.egressAddCommand("deny"), a.egressRemoveCommand(), a.egressTestCommand(), a.egressLogCommand(),
	)
}

// egressVerb is a verb whose answer is the policy of the VM that its first argument names.
func (a *App) egressVerb(cmd *cobra.Command, do func(ctx context.Context, c *client.Client, given []string) (api.Egress, error)) *cobra.Command {
	return answering(a, cmd, egressView(), do)
}

// answering is a verb whose answer is what v shows.
func answering[T any](a *App, cmd *cobra.Command, v view[T], do func(ctx context.Context, c *client.Client, given []string) (T, error)) *cobra.Command {
	var f *format
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		ctx := cmd.Context()
		c, err := a.daemon(ctx)
		if err != nil {
			return err
		}
		answer, err := do(ctx, c, given)
		if err != nil {
			return err
		}
		return v.show(a, *f, answer)
	}
	f = formatFlag(cmd)
	return cmd
}

func egressView() view[api.Egress] {
	name := func(e api.Egress) string {
		if e.Preset == "" {
			return "custom"
		}
		return e.Preset
	}
	return view[api.Egress]{name: name, fields: []column[api.Egress]{
		{head: "policy", cell: name},
		{head: "default", cell: func(e api.Egress) string { return e.Default }},
		{head: "rules", cell: func(e api.Egress) string { return numberedRules(e.Rules) }},
	}}
}

// numberedRules are rules with their numbers, each on its line.
func numberedRules(rules []string) string {
	width := len(strconv.Itoa(len(rules)))
	lines := make([]string, len(rules))
	for i, rule := range rules {
		number := strconv.Itoa(i + 1)
		lines[i] = strings.Repeat(" ", width-len(number)) + number + "  " + plain.Line(rule, maxShown)
	}
	return strings.Join(lines, "\n")
}

func (a *App) egressShowCommand() *cobra.Command {
	return a.egressVerb(&cobra.Command{
		Use: "show NAME", Short: "Show the egress policy of a VM",
		Example: "  banger vm egress show box\n  banger vm egress show box -o json",
		Args:    args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
	}, func(ctx context.Context, c *client.Client, given []string) (api.Egress, error) {
		return c.VMEgress(ctx, given[0])
	})
}

func (a *App) egressSetCommand() *cobra.Command {
	names := a.vmNames(1)
	cmd := a.egressVerb(&cobra.Command{
		Use: "set NAME POLICY", Short: "Replace the egress policy of a VM",
		Long: "Replace the egress policy of a VM, running or not.\n\n" + policyHelp,
		Example: `  banger vm egress set box packages
  banger vm egress set box 'default deny; allow github.com tcp/22,443'`,
		Args: args(2, 2, "the NAME of a VM and a POLICY"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(given) == 1 {
				return egress.Presets(), cobra.ShellCompDirectiveNoFileComp
			}
			return names(cmd, given, prefix)
		},
	}, func(ctx context.Context, c *client.Client, given []string) (api.Egress, error) {
		return c.SetVMEgress(ctx, given[0], api.SetEgress{Policy: given[1]})
	})
	set := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		text, err := a.policy(given[1])
		if err != nil {
			return err
		}
		return set(cmd, []string{given[0], text})
	}
	return cmd
}

// egressAddCommand is the verb that puts a rule with this action first.
func (a *App) egressAddCommand(action string) *cobra.Command {
	var always bool
	var length *optional[time.Duration]
	cmd := a.egressVerb(&cobra.Command{
		Use: action + " NAME TARGET [PROTOCOL[/PORTS]]", Short: "Add " + article(action) + " rule",
		Long: "Add " + article(action) + " rule before all others. TARGET is a DNS name, *.NAME for its subdomains, an IP address or prefix, host\n" +
			"(the host's loopback) or any. TARGET:PORT is short for TARGET tcp/PORT.\n\n" +
			"With --for the rule ends by itself. With --always new VMs get it, too: see 'banger egress --help'.",
		Example: "  banger vm egress " + action + " box '*.example.org'\n" +
			"  banger vm egress " + action + " box 203.0.113.0/24 tcp/1024-2048\n" +
			"  banger vm egress " + action + " box host:8080 --for 10m",
		Args: args(2, 3, "the NAME of a VM, a TARGET and an optional PROTOCOL"), ValidArgsFunction: a.vmNames(1),
	}, func(ctx context.Context, c *client.Client, given []string) (api.Egress, error) {
		req := api.AddEgress{Rules: given[1:], Always: always}
		if length.value != nil {
			req.ForSeconds = length.value.Seconds()
		}
		return c.AddVMEgress(ctx, given[0], req)
	})
	length = optionalFlag(cmd, "for", "DURATION", "end the rule after this time (default: it stays until you remove it)", durationIn("--for", time.Second, egress.MaxTime))
	cmd.Flags().BoolVar(&always, "always", false, "add it to the rules of new VMs, too")
	add := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if always && length.value != nil {
			return usagef(cmd, "--for and --always cannot be used together")
		}
		rule, err := egress.NewRule(action, given[1], given[2:]...)
		if err != nil {
			return err
		}
		return add(cmd, []string{given[0], rule.String()})
	}
	return cmd
}

// article is the action with its article.
func article(action string) string {
	if action == "allow" {
		return "an allow"
	}
	return "a " + action
}

// egressRemoveCommand is the verb that takes one rule out.
func (a *App) egressRemoveCommand() *cobra.Command {
	return a.egressVerb(&cobra.Command{
		Use: "rm NAME RULE", Aliases: []string{"remove"}, Short: "Remove a rule",
		Long: "Remove a rule from the egress policy of a VM. RULE is its number in `banger vm egress show`, or its text.",
		Example: "  banger vm egress rm box 1\n" +
			"  banger vm egress rm box 'allow *.example.org'",
		Args: args(2, 6, "the NAME of a VM and a RULE"), ValidArgsFunction: a.vmNames(1),
	}, func(ctx context.Context, c *client.Client, given []string) (api.Egress, error) {
		rule, err := pickedRule(given[1:], act.VMEgress.On(given[0]), func() ([]string, error) {
			policy, err := c.VMEgress(ctx, given[0])
			return policy.Rules, err
		})
		if err != nil {
			return api.Egress{}, err
		}
		return c.RemoveVMEgress(ctx, given[0], api.RemoveEgress{Rules: []string{rule}})
	})
}
