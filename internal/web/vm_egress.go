package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// egressView is the body of the section with what the guest may reach.
type egressView struct {
	vmFrame
	Policy   api.Egress
	Name     string // of a preset, or how many rules
	Text     string // of the policy in the editor
	Editing  bool
	Wrong    wrongs // why the text was not taken
	Target   string // that was asked about
	Answer   *verdictView
	AskWhy   *problem
	Allow    *allowView
	Rows     []flowView
	Shown    string                        // which rows: "", "denied", "allowed"
	Counts   struct{ Denied, Allowed int } // rows
	LogWhy   string
	Commands struct{ Set, Test, Log string }
}

// verdictView is what the policy says.
type verdictView struct {
	api.EgressVerdict
	Ground string // what decides, in words
}

func viewVerdict(v api.EgressVerdict) *verdictView {
	view := &verdictView{EgressVerdict: v, Ground: v.Rule}
	if v.Number > 0 {
		view.Ground = "rule " + number(v.Number) + ": " + v.Rule
	}
	return view
}

func (c *Console) egressPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	c.egressSection(w, r, func(ctx context.Context, view *egressView) {
		name := view.VM.Name
		if view.Target = strings.TrimSpace(query.Get("target")); view.Target != "" {
			answer, err := c.api.TestVMEgress(ctx, name, api.TestEgress{Target: view.Target})
			if view.Commands.Test = cmdline.Typed(append([]string{"vm", "egress", "test", name}, strings.Fields(view.Target)...)...); err != nil {
				view.AskWhy = problemOf(err)
			} else {
				view.Answer = viewVerdict(answer)
			}
		}
		if query.Get("allow") != "" {
			if d, err := deniedOf(query); err != nil {
				view.AskWhy = problemOf(err)
			} else {
				view.Allow = proposing(name, d)
			}
		}
		view.Editing = query.Get("edit") != ""
	})
}

// egressSection shows the section once more has been put into it.
func (c *Console) egressSection(w http.ResponseWriter, r *http.Request, more func(context.Context, *egressView)) {
	c.inVM(w, r, "egress", func(ctx context.Context, f vmFrame) (any, error) {
		view := egressView{vmFrame: f, Name: policyName(f.VM), Shown: r.URL.Query().Get("show")}
		policy, err := c.api.VMEgress(ctx, f.VM.Name)
		if err != nil {
			return view, err
		}
		view.Policy, view.Text = policy, strings.ReplaceAll(policy.Policy, "; ", "\n")
		view.Commands.Set = egressCommand(url.Values{"vm": {f.VM.Name}, "policy": {view.Text}}, nil)
		view.Commands.Log = cmdline.Typed("vm", "egress", "log", "-f", f.VM.Name)
		if err := c.flows(ctx, &view); err != nil {
			view.LogWhy = problemOf(err).Message
		}
		more(ctx, &view)
		return view, nil
	})
}

// egressAct changes the policy, or answers with the form and what is wrong with it.
func (c *Console) egressAct(w http.ResponseWriter, r *http.Request) {
	name, form := r.PathValue("name"), r.PostForm
	path := vmPath(name) + "/egress"
	switch do := form.Get("do"); do {
	case "set":
		_, err := c.api.SetVMEgress(r.Context(), name, api.SetEgress{Policy: form.Get("policy")})
		if err == nil {
			c.lead(w, r, path, "Changed the policy")
			return
		}
		c.egressSection(w, r, func(_ context.Context, view *egressView) {
			view.Editing, view.Text, view.Wrong = true, form.Get("policy"), wrongWith("text", "Policy", err)
		})
	case "try", "allow":
		d, err := deniedOf(form)
		if err != nil {
			c.fail(w, r, err)
			return
		}
		a := allowing(name, d, form.Get("rule"), form.Get("hold"))
		if do == "allow" && a.Matches {
			_, err := c.api.AddVMEgress(r.Context(), name, a.Hold.Added(a.Rule))
			c.done(w, r, path+"?"+url.Values{"target": {a.Asked}}.Encode(), "Added the rule", err)
			return
		}
		c.egressSection(w, r, func(_ context.Context, view *egressView) { view.Allow = a })
	default:
		c.fail(w, r, fault.New(fault.Invalid, "the console cannot do %q to a policy", do))
	}
}
