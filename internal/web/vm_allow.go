package web

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/denied"
	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// allowView is the form that allows what was denied.
type allowView struct {
	denied.Denial
	Record  api.EgressRecord
	Rule    string // as edited
	Asked   string // what the test field asks once the rule is added
	Hold    vmaction.Hold
	Matches bool // the rule allows what was denied
	Why     *problem
	Meaning string
	Command string
}

// Holds are the choices of how long, and where, the rule holds.
func (a *allowView) Holds() []vmaction.Hold { return vmaction.Holds() }

// Port is that of the flow as a field has it.
func (a *allowView) Port() string { return strconv.Itoa(a.Record.Port) }

// deniedQuery has what a row was denied, for the address of the form that allows it, and
// for its hidden fields. deniedOf reads it.
func deniedQuery(d denied.Denial) url.Values {
	r := d.Record()
	query := url.Values{"allow": {r.Event}}
	for field, value := range map[string]string{"name": r.Name, "address": r.Address, "protocol": r.Protocol, "ground": r.Rule} {
		if value != "" {
			query.Set(field, value)
		}
	}
	if r.Port != 0 {
		query.Set("port", strconv.Itoa(r.Port))
	}
	return query
}

func deniedOf(form url.Values) (denied.Denial, error) {
	port, err := strconv.Atoi(cmp.Or(form.Get("port"), "0"))
	d, ok := denied.Of(api.EgressRecord{
		Event: form.Get("allow"), Name: form.Get("name"), Address: form.Get("address"), Protocol: form.Get("protocol"), Rule: form.Get("ground"), Port: port,
	})
	if !ok || err != nil {
		return d, fault.New(fault.Invalid, "it is not known what was denied").WithHint("choose it in the egress log")
	}
	return d, nil
}

// proposing is the form with the rule to begin with.
func proposing(name string, d denied.Denial) *allowView {
	rule, err := d.Proposal()
	if err != nil {
		return &allowView{Denial: d, Record: d.Record(), Hold: vmaction.FindHold(""), Why: problemOf(err)}
	}
	return allowing(name, d, rule, "")
}

// allowing judges a rule that was typed.
func allowing(name string, d denied.Denial, rule, hold string) *allowView {
	a := &allowView{Denial: d, Record: d.Record(), Rule: strings.Join(strings.Fields(rule), " "), Hold: vmaction.FindHold(hold)}
	asked, err := d.AllowedBy(a.Rule)
	if words := strings.Fields(a.Rule); len(words) > 1 && words[0] == "allow" {
		a.Command = cmdline.Egress(name, a.Rule, a.Hold.For, a.Hold.Always)
		a.Meaning = meaning(name, words)
	}
	if a.Asked, a.Matches = asked, err == nil; err != nil {
		a.Why = problemOf(err)
	}
	return a
}

// meaning says what a rule, in words, lets a guest do.
func meaning(vm string, rule []string) string {
	target := rule[1]
	host, _, _ := strings.Cut(target, ":")
	to := "any server that answers as " + host
	switch {
	case host == "host" || host == "host.vm":
		to = "every program that listens on this host's loopback at that port, also those of other users"
	case host == "any":
		to = "any server on the internet"
	case strings.HasPrefix(host, "*."):
		to = "any server whose name ends in " + host[1:]
	case strings.Contains(target, "/"):
		to = "any server with an address in " + target
	}
	switch {
	case len(rule) > 2:
		to += ", by " + strings.Join(rule[2:], " ")
	case !strings.ContainsAny(target, ":/") && host != "any":
		to += ", at any port"
	}
	return "Allowing means: whatever runs in " + vm + " may send anything it can read to " + to + "."
}
