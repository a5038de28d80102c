package web

import (
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/client/vmaction"
)

// The commands of the forms in the sections of a VM's page.

func prepareCommand(form, _ url.Values) string {
	t := typed(form, "vm", "workspace", "prepare")
	if mode := form.Get("mode"); mode != "shallow" {
		t.flag("mode", "mode")
	}
	t.flag("to", "to")
	t.args = append(t.args, form.Get("vm"))
	t.arg("path", "PATH")
	return t.String()
}

func forwardCommand(form, _ url.Values) string {
	t := typed(form, "vm", "forward", form.Get("vm"))
	t.arg("forward", "HOST:GUEST")
	return t.String()
}

// egressCommand sets a policy, whose rules are one argument.
func egressCommand(form, _ url.Values) string {
	t := typed(form, "vm", "egress", "set", form.Get("vm"))
	if rules := lines(form.Get("policy")); len(rules) > 0 {
		t.args = append(t.args, strings.Join(rules, "; "))
	} else {
		t.tail = " POLICY"
	}
	return t.String()
}

// allowCommand adds the rule of the form before all others.
func allowCommand(form, _ url.Values) string {
	hold := vmaction.FindHold(form.Get("hold"))
	return cmdline.Egress(form.Get("vm"), form.Get("rule"), hold.For, hold.Always)
}
