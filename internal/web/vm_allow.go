package web

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// allowView is the form that allows what was denied.
type allowView struct {
	denied
	Rule    string // as edited
	Hold    vmaction.Hold
	Matches bool // the rule allows what was denied
	Why     *problem
	Meaning string
	Command string
}

// denied is what a VM was denied: a connection, or to look up a name.
type denied struct {
	Target, Address string
	Lookup          bool
}

func deniedOf(target string, form url.Values) denied {
	return denied{Target: target, Address: form.Get("address"), Lookup: form.Get("lookup") != ""}
}

// rule is the one that the form begins with. To look a name up allows nothing: the rule is
// for what comes after it, by HTTPS.
func (d denied) rule() string {
	if d.Lookup {
		return "allow " + d.Target + " tcp/443"
	}
	return "allow " + d.Target
}

// probe is what a rule, in words, is to allow. A name may be looked up if anything there is
// allowed: the rule says which port.
func (d denied) probe(rule []string) string {
	if !d.Lookup {
		return d.Target
	}
	_, port, _ := strings.Cut(rule[1], ":")
	protocol := "tcp"
	if len(rule) > 2 {
		var ports string
		protocol, ports, _ = strings.Cut(rule[2], "/")
		port = cmp.Or(ports, port)
	}
	if port = port[:len(port)-len(strings.TrimLeft(port, "0123456789"))]; port == "" {
		port = "443"
	}
	if protocol != "icmp" {
		protocol += "/" + port
	}
	return d.Target + " " + protocol
}

// Asked is what the test field asks once the rule is added.
func (a *allowView) Asked() string { return a.probe(strings.Fields(a.Rule)) }

// Holds are the choices of how long, and where, the rule holds.
func (a *allowView) Holds() []vmaction.Hold { return vmaction.Holds() }

// allowing judges a rule by the daemon's own engine: whether it, before all others,
// allows what was denied.
func (c *Console) allowing(ctx context.Context, name string, d denied, rule, hold string) *allowView {
	a := &allowView{denied: d, Rule: strings.Join(strings.Fields(rule), " "), Hold: vmaction.FindHold(hold)}
	words := strings.Fields(a.Rule)
	if len(words) < 2 || words[0] != "allow" {
		a.Why = problemOf(fault.New(fault.Invalid, "%q does not allow a target", a.Rule).WithHint("for example allow github.com tcp/443"))
		return a
	}
	a.Command = cmdline.Egress(name, a.Rule, a.Hold.For, a.Hold.Always)
	a.Meaning = meaning(name, words)
	verdict, err := c.api.TestVMEgress(ctx, name, api.TestEgress{Target: d.probe(words), Address: d.Address, Rules: []string{a.Rule}})
	switch {
	case err != nil:
		a.Why = problemOf(err)
	case !verdict.Allowed || verdict.Number != 1:
		a.Why = problemOf(fault.New(fault.Invalid, "this rule does not allow what was denied: %s", d.Target))
	default:
		a.Matches = true
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
