package web

import (
	"net/url"
	"strings"
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
	words := strings.Fields(form.Get("rule"))
	if len(words) > 0 && words[0] == "allow" {
		words = words[1:]
	}
	t := typed(form, append([]string{"vm", "egress", "allow", form.Get("vm")}, words...)...)
	if len(words) == 0 {
		t.tail = " TARGET"
	}
	return t.String()
}
