package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// rulesView is the section with the egress rules of new VMs.
type rulesView struct {
	Rules    []ruleView
	Typed    string // a rule that was not taken
	Why      *problem
	Commands struct{ Show, Add string }
}

type ruleView struct{ Rule, Command string }

func (c *Console) rulesOfNewVMs(ctx context.Context) (rulesView, error) {
	rules, err := c.api.EgressRules(ctx)
	view := rulesView{}
	for _, rule := range rules.Rules {
		view.Rules = append(view.Rules, ruleView{Rule: rule, Command: cmdline.Typed("egress", "rm", rule)})
	}
	view.Commands.Show, view.Commands.Add = cmdline.Line(act.EgressShow.Do()), ruleCommand(url.Values{}, nil)
	return view, err
}

// ruleCommand adds the rule of the form to those of new VMs.
func ruleCommand(form, _ url.Values) string {
	words := strings.Fields(form.Get("rule"))
	t := typed(form, append([]string{"egress"}, words...)...)
	switch len(words) {
	case 0:
		t.tail = " allow TARGET"
	case 1:
		t.tail = " TARGET"
	}
	return t.String()
}

// rulesAct adds a rule to those of new VMs, or removes one.
func (c *Console) rulesAct(w http.ResponseWriter, r *http.Request) {
	form, req := r.PostForm, api.ChangeEgressRules{Rules: []string{r.PostForm.Get("rule")}}
	switch do := form.Get("do"); do {
	case "add":
		if _, err := c.api.AddEgressRules(r.Context(), req); err != nil {
			c.settings(w, r, func(view *settingsView) { view.Rules.Typed, view.Rules.Why = form.Get("rule"), problemOf(err) })
			return
		}
		c.lead(w, r, "/settings#rules", "Added the rule")
	case "remove":
		_, err := c.api.RemoveEgressRules(r.Context(), req)
		c.done(w, r, "/settings#rules", "Removed the rule", err)
	default:
		c.fail(w, r, fault.New(fault.Invalid, "the console cannot do %q to the rules of new VMs", do))
	}
}
