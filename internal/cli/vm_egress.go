package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

const policyHelp = "POLICY is a preset (all, none, packages, ai), rules with ; between them, @FILE, or - for stdin:\n" +
	"  default deny; allow *.example.org; allow 203.0.113.0/24 tcp/1024-2048; deny any udp\n" +
	"The first rule that matches decides. The host itself is \"host\" (host.vm in the guest): no policy reaches it, nor\n" +
	"a private network, without a rule that names it: allow host:8080."

func (a *App) vmEgressCommand() *cobra.Command {
	return a.group("egress", "Manage a VM's egress policy",
		"Each VM has a policy of what it may reach: rules by name, address, protocol and port. It can be changed while the VM\n"+
			"runs, and what is then no longer allowed is cut.\n\n"+policyHelp,
		a.egressShowCommand(), a.egressSetCommand(), a.egressAddCommand("allow"), a.egressAddCommand("deny"), a.egressRemoveCommand(), a.egressLogCommand(),
	)
}

// egressVerb is a verb whose answer is the policy of the VM that its first argument names.
func (a *App) egressVerb(cmd *cobra.Command, do func(ctx context.Context, c *client.Client, given []string) (api.Egress, error)) *cobra.Command {
	var f *format
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		ctx := cmd.Context()
		c, err := a.daemon(ctx)
		if err != nil {
			return err
		}
		policy, err := do(ctx, c, given)
		if err != nil {
			return err
		}
		return egressView().show(a, *f, policy)
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
		{head: "rules", cell: func(e api.Egress) string {
			width := len(strconv.Itoa(len(e.Rules)))
			lines := make([]string, len(e.Rules))
			for i, rule := range e.Rules {
				number := strconv.Itoa(i + 1)
				lines[i] = strings.Repeat(" ", width-len(number)) + number + "  " + printable(rule, " ")
			}
			return strings.Join(lines, "\n")
		}},
	}}
}

func (a *App) egressShowCommand() *cobra.Command {
	return a.egressVerb(&cobra.Command{
		Use: "show NAME", Short: "Show what a VM may reach",
		Args: args(1, 1, "the NAME of a VM"), ValidArgsFunction: a.vmNames(1),
	}, func(ctx context.Context, c *client.Client, given []string) (api.Egress, error) {
		return c.VMEgress(ctx, given[0])
	})
}

func (a *App) egressSetCommand() *cobra.Command {
	names := a.vmNames(1)
	cmd := a.egressVerb(&cobra.Command{
		Use: "set NAME POLICY", Short: "Replace the egress policy",
		Long: "Replace the policy of a VM, also of one that runs.\n\n" + policyHelp,
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
	cmd := a.egressVerb(&cobra.Command{
		Use: action + " NAME TARGET [PROTOCOL[/PORTS]]", Short: "Add " + article(action) + " rule at the top",
		Long: "Put a rule before all others. TARGET is a name, *.NAME for those below it, an address or a prefix, host (the host's\n" +
			"loopback) or any; NAME:PORT is short for NAME tcp/PORT.",
		Example: "  banger vm egress " + action + " box '*.example.org'\n" +
			"  banger vm egress " + action + " box 203.0.113.0/24 tcp/1024-2048\n" +
			"  banger vm egress " + action + " box host:8080",
		Args: args(2, 3, "the NAME of a VM, a TARGET and perhaps a PROTOCOL"), ValidArgsFunction: a.vmNames(1),
	}, func(ctx context.Context, c *client.Client, given []string) (api.Egress, error) {
		return c.AddVMEgress(ctx, given[0], api.AddEgress{Rules: given[1:]})
	})
	add := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		rule, err := ruleText(action, given[1:])
		if err != nil {
			return err
		}
		return add(cmd, []string{given[0], rule})
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
		Long: "Remove one rule from a VM's policy. RULE is its number in \"vm egress show\", or its text.",
		Example: "  banger vm egress rm box 1\n" +
			"  banger vm egress rm box 'allow *.example.org'",
		Args: args(2, 5, "the NAME of a VM and a RULE"), ValidArgsFunction: a.vmNames(1),
	}, func(ctx context.Context, c *client.Client, given []string) (api.Egress, error) {
		rule := strings.Join(given[1:], " ")
		if number, err := strconv.Atoi(rule); err == nil {
			policy, err := c.VMEgress(ctx, given[0])
			if err != nil {
				return api.Egress{}, err
			}
			if number < 1 || number > len(policy.Rules) {
				return api.Egress{}, fault.New(fault.NotFound, "the policy has no rule %d", number).WithHint("banger vm egress show %s", given[0])
			}
			rule = policy.Rules[number-1]
		} else if _, err := egress.ParseRule(rule); err != nil {
			return api.Egress{}, err
		}
		return c.RemoveVMEgress(ctx, given[0], api.RemoveEgress{Rules: []string{rule}})
	})
}

// ruleText is the rule that TARGET [PROTOCOL[/PORTS]] makes.
func ruleText(action string, words []string) (string, error) {
	if _, rest, ok := strings.Cut(words[0], "://"); ok {
		name, _, _ := strings.Cut(rest, "/")
		return "", fault.New(fault.Invalid, "%q is a URL, and a rule is for a host", words[0]).WithHint("name the host: %s", name)
	}
	rule, err := egress.ParseRule(strings.Join(append([]string{action}, words...), " "))
	if err != nil {
		return "", err
	}
	return rule.String(), nil
}
