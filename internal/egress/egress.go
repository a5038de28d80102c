// Package egress is the policy of what a guest may reach: an ordered list of
// rules, the first that matches decides, and a default. It decides; who asks
// (internal/netstack) enforces.
//
// The text of a policy has one statement on a line (or between semicolons);
// "#" begins a comment:
//
//	default deny
//	preset packages
//	allow *.example.org
//	allow github.com tcp/22,443
//	allow 203.0.113.0/24 tcp/1024-2048
//	allow host tcp/8080
//	deny any udp
//
// A rule is ACTION TARGET [PROTOCOL[/PORTS]] [until TIME]. The targets are a domain name, a
// name below a domain (*.example.org, which is not example.org itself), an
// address or a CIDR prefix, "host" (the host itself), and "any". A rule that
// allows a name without a protocol is for TCP, where the name can be seen; any
// other rule without one is for all protocols. A rule with a time (RFC 3339) is part of
// the policy until then: see Policy.At. "preset NAME" stands for the rules
// of that preset, and for its default where no other is given. A preset alone
// ("all", "none", "packages", "ai") is a policy too.
//
// Addresses of the host itself, of private networks, of the IPv6 networks that the
// host is in and of cloud metadata services are denied, whatever the default,
// unless a rule names them by address or as "host": a rule for "any",
// for a prefix that reaches beyond them, or by name does not.
package egress

import "net/netip"

// Action is what a rule or a default does.
type Action string

// The actions.
const (
	Allow Action = "allow"
	Deny  Action = "deny"
)

// Protocol is what a flow speaks.
type Protocol string

// The protocols. An empty one in a rule means all of them.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	ICMP Protocol = "icmp"
)

// Flow is what a guest is about to do. Addr's port is 0 for ICMP.
type Flow struct {
	Protocol Protocol
	Addr     netip.AddrPort
	// Names are those by whose answers the guest knows the address, still within
	// their time: lower case, without the last dot.
	Names []string
	// Host says that it leads to the host itself: to its loopback, by the address
	// that stands for it (Addr is then that of the loopback), or to an address that
	// one of its interfaces has.
	Host bool
	// Local is the network that the host itself is in, if the address is in one that
	// counts as private though its addresses are public; else the zero Prefix.
	Local netip.Prefix
}

// Verdict is a decision and its grounds.
type Verdict struct {
	Allow bool
	// Rule is the text of the rule that decided; "default allow", "default
	// deny", or what built-in ground there was.
	Rule string
	// Name is the one of the flow's names that the rule matched, or empty.
	Name string
	// ByName says that the rule is one by name: what the flow itself says of its
	// destination (TLS SNI, HTTP Host) must then agree: see CheckHost.
	ByName bool
}
