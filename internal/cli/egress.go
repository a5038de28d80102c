package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/egress"
	"github.com/bangervm/banger/internal/fault"
)

// egressCommand has the verbs for the rules of VMs to come; vmEgressCommand those for one VM.
func (a *App) egressCommand() *cobra.Command {
	return a.group("egress", "Manage the egress rules of new VMs",
		"Manage the egress rules of new VMs. The policy of a VM that you create begins with them, if it is the configured policy\n"+
			"or the preset packages, ai or all. A VM that you create with --egress none, or with rules, does not have them. VMs that\n"+
			"exist keep their policies: see 'banger vm egress --help'.",
		a.egressRulesCommand(), a.egressRulesAddCommand("allow"), a.egressRulesAddCommand("deny"), a.egressRulesRemoveCommand(),
	)
}

// egressRulesVerb is a verb whose answer is the rules of new VMs.
func (a *App) egressRulesVerb(cmd *cobra.Command, do func(ctx context.Context, c *client.Client, given []string) (api.EgressRules, error)) *cobra.Command {
	return answering(a, cmd, egressRulesView(), do)
}

func egressRulesView() view[api.EgressRules] {
	return view[api.EgressRules]{
		name: func(r api.EgressRules) string { return strings.Join(r.Rules, "\n") },
		fields: []column[api.EgressRules]{
			{head: "rules", cell: func(r api.EgressRules) string {
				if len(r.Rules) == 0 {
					return "none"
				}
				return numberedRules(r.Rules)
			}},
		},
	}
}

func (a *App) egressRulesCommand() *cobra.Command {
	return a.egressRulesVerb(&cobra.Command{
		Use: "show", Short: "Show the egress rules of new VMs",
		Example: "  banger egress show\n  banger egress show -o json",
		Args: func(_ *cobra.Command, given []string) error {
			if len(given) == 0 {
				return nil
			}
			return &usageError{message: "banger egress show is for new VMs, and takes no NAME", hint: "banger vm egress show " + given[0]}
		},
	}, func(ctx context.Context, c *client.Client, _ []string) (api.EgressRules, error) {
		return c.EgressRules(ctx)
	})
}

func (a *App) egressRulesAddCommand(action string) *cobra.Command {
	return a.egressRulesVerb(&cobra.Command{
		Use: action + " TARGET [PROTOCOL[/PORTS]]", Short: "Add " + article(action) + " rule for new VMs",
		Long:    "Add " + article(action) + " rule before all others of new VMs. It changes no VM that exists.",
		Example: "  banger egress " + action + " registry.example.org:443\n  banger egress " + action + " '*.example.org' tcp/22",
		Args:    args(1, 2, "a TARGET and an optional PROTOCOL"),
	}, func(ctx context.Context, c *client.Client, given []string) (api.EgressRules, error) {
		rule, err := egress.NewRule(action, given[0], given[1:]...)
		if err != nil {
			return api.EgressRules{}, err
		}
		return c.AddEgressRules(ctx, api.ChangeEgressRules{Rules: []string{rule.String()}})
	})
}

func (a *App) egressRulesRemoveCommand() *cobra.Command {
	return a.egressRulesVerb(&cobra.Command{
		Use: "rm RULE", Aliases: []string{"remove"}, Short: "Remove a rule of new VMs",
		Long:    "Remove a rule of new VMs. RULE is its number in `banger egress show`, or its text. It changes no VM that exists.",
		Example: "  banger egress rm 1\n  banger egress rm 'allow *.example.org'",
		Args:    args(1, 3, "a RULE"),
	}, func(ctx context.Context, c *client.Client, given []string) (api.EgressRules, error) {
		rule, err := pickedRule(given, act.EgressShow.Do(), func() ([]string, error) {
			rules, err := c.EgressRules(ctx)
			return rules.Rules, err
		})
		if err != nil {
			return api.EgressRules{}, err
		}
		return c.RemoveEgressRules(ctx, api.ChangeEgressRules{Rules: []string{rule}})
	})
}

// pickedRule is the rule that words are about: its number among all, or its text.
func pickedRule(words []string, show act.Act, all func() ([]string, error)) (string, error) {
	rule := strings.Join(words, " ")
	number, err := strconv.Atoi(rule)
	if err != nil {
		_, err := egress.ParseRule(rule)
		return rule, err
	}
	rules, err := all()
	if err != nil {
		return "", err
	}
	if number < 1 || number > len(rules) {
		return "", fault.New(fault.NotFound, "there is no rule %d", number).Try(show)
	}
	return rules[number-1], nil
}
