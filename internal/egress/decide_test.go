package egress_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/egress"
)

// flow reads "tcp 203.0.113.5:443 name,name"; "host" as the address is that of
// the host, "own" a public one that the host has.
func flow(t *testing.T, text string) egress.Flow {
	t.Helper()
	words := strings.Fields(text)
	f := egress.Flow{Protocol: egress.Protocol(words[0])}
	address := words[1]
	if port, ok := strings.CutPrefix(address, "host:"); ok {
		address, f.Host = "127.0.0.1:"+port, true
	}
	if port, ok := strings.CutPrefix(address, "own:"); ok {
		address, f.Host = "203.0.113.7:"+port, true
	}
	if f.Protocol == egress.ICMP {
		f.Addr = netip.AddrPortFrom(netip.MustParseAddr(address), 0)
	} else {
		f.Addr = netip.MustParseAddrPort(address)
	}
	if len(words) > 2 {
		f.Names = strings.Split(words[2], ",")
	}
	return f
}

func TestDecide(t *testing.T) {
	const github = "default deny; allow github.com tcp/22,443; allow *.example.org; allow quic.example udp/443"
	for _, c := range []struct {
		policy, flow string
		allow        bool
		rule, name   string
	}{
		{"all", "tcp 203.0.113.5:443", true, "default allow", ""},
		{"all", "icmp 203.0.113.5", true, "default allow", ""},
		{"none", "tcp 203.0.113.5:443", false, "default deny", ""},
		{"all", "sctp 203.0.113.5:443", false, "invalid", ""},
		{github, "tcp 203.0.113.5:443 github.com", true, "allow github.com tcp/22,443", "github.com"},
		{github, "tcp 203.0.113.5:22 other.example,github.com", true, "allow github.com tcp/22,443", "github.com"},
		{github, "tcp 203.0.113.5:80 github.com", false, "default deny", ""},
		{github, "tcp 203.0.113.5:443 api.github.com", false, "default deny", ""},
		{github, "tcp 203.0.113.5:443 evilgithub.com", false, "default deny", ""},
		{github, "tcp 203.0.113.5:80 a.example.org", true, "allow *.example.org", "a.example.org"},
		{github, "tcp 203.0.113.5:80 a.b.example.org", true, "allow *.example.org", "a.b.example.org"},
		{github, "tcp 203.0.113.5:80 example.org", false, "default deny", ""},
		{github, "tcp 203.0.113.5:80 .example.org", false, "default deny", ""},
		{github, "tcp 203.0.113.5:80 badexample.org", false, "default deny", ""},
		{github, "udp 203.0.113.5:443 a.example.org", false, "default deny", ""},
		{github, "icmp 203.0.113.5 a.example.org", false, "default deny", ""},
		{github, "udp 203.0.113.5:443 quic.example", true, "allow quic.example udp/443", "quic.example"},
		{"default deny; allow any icmp", "icmp 203.0.113.5", true, "allow any icmp", ""},
		{"default deny; allow any tcp/80-90", "tcp [2001:db8::1]:90", true, "allow any tcp/80-90", ""},
		{"default deny; allow any tcp/80-90", "tcp [2001:db8::1]:91", false, "default deny", ""},
		{"default deny; allow 203.0.113.0/24", "udp 203.0.113.255:9", true, "allow 203.0.113.0/24", ""},
		{"default deny; allow 203.0.113.0/24", "udp 203.0.114.0:9", false, "default deny", ""},
		// The first that matches decides.
		{"default allow; allow 203.0.113.5; deny 203.0.113.0/24", "tcp 203.0.113.5:1", true, "allow 203.0.113.5", ""},
		{"default allow; deny 203.0.113.0/24; allow 203.0.113.5", "tcp 203.0.113.5:1", false, "deny 203.0.113.0/24", ""},
		{"default allow; deny any udp; allow any", "udp 203.0.113.5:53", false, "deny any udp", ""},
		{"default allow; deny bad.example", "udp 203.0.113.5:443 bad.example", false, "deny bad.example", "bad.example"},
		{"default allow; deny bad.example", "icmp 203.0.113.5 bad.example", false, "deny bad.example", "bad.example"},
		// The host, and what is private, by rules that name it.
		{"default deny; allow host tcp/8080", "tcp host:8080", true, "allow host tcp/8080", ""},
		{"default deny; allow host tcp/8080", "tcp host:8081", false, "reserved: the host's loopback", ""},
		{"all", "tcp own:22", false, "reserved: the host's own address", ""},
		{"default deny; allow host tcp/22", "tcp own:22", true, "allow host tcp/22", ""},
		{"default deny; allow good.example", "tcp own:22 good.example", false, "reserved: the host's own address", ""},
		{"default deny; allow 127.0.0.1", "tcp host:8081", true, "allow 127.0.0.1", ""},
		{"default allow; deny host; allow 127.0.0.0/8", "tcp host:8081", false, "deny host", ""},
		{"default deny; allow 10.1.0.0/16 tcp/443", "tcp 10.1.2.3:443", true, "allow 10.1.0.0/16 tcp/443", ""},
		{"default deny; allow 169.254.169.254", "tcp 169.254.169.254:80", true, "allow 169.254.169.254", ""},
		{"default deny; allow fd00::/8", "tcp [fd12::1]:80", true, "allow fd00::/8", ""},
		{"default deny; allow git.corp.example; allow 10.0.0.7", "tcp 10.0.0.7:443 git.corp.example", true, "allow 10.0.0.7", ""},
		{"default deny; allow 64:ff9b::10.0.0.1", "tcp [64:ff9b::10.0.0.1]:80", true, "allow 64:ff9b::a00:1", ""},
	} {
		v := mustParse(t, c.policy).Decide(flow(t, c.flow))
		if v.Allow != c.allow || v.Rule != c.rule || v.Name != c.name || v.ByName != (c.name != "") {
			t.Errorf("%q, %q: %+v, want %v by %q, name %q", c.policy, c.flow, v, c.allow, c.rule, c.name)
		}
	}
	if v := mustParse(t, "all").Decide(egress.Flow{Protocol: egress.TCP}); v.Allow {
		t.Errorf("a flow to nowhere is allowed: %+v", v)
	}
}

// Attempts to get past a policy that allows a few names, each denied.
func TestDecideDeniesEvasions(t *testing.T) {
	const strict = "default deny; allow good.example; allow *.below.example tcp/443; allow 203.0.113.0/24 tcp/443"
	for attempt, f := range map[string]string{
		"address without a name":                 "tcp 198.51.100.1:443",
		"another name's address":                 "tcp 198.51.100.1:443 evil.example",
		"the name as a label of another":         "tcp 198.51.100.1:443 good.example.evil.example",
		"the name with something before it":      "tcp 198.51.100.1:443 notgood.example",
		"the domain itself of those below it":    "tcp 198.51.100.1:443 below.example",
		"another port of the name":               "tcp 198.51.100.1:80 a.below.example",
		"QUIC to the name":                       "udp 198.51.100.1:443 good.example",
		"ping to the name":                       "icmp 198.51.100.1 good.example",
		"a foreign resolver":                     "udp 9.9.9.9:53",
		"a foreign resolver over TCP":            "tcp 9.9.9.9:53",
		"a foreign resolver over TLS":            "tcp 9.9.9.9:853",
		"a foreign resolver over HTTPS":          "tcp 9.9.9.9:443",
		"the prefix by UDP":                      "udp 203.0.113.5:443",
		"the prefix by NAT64":                    "tcp [64:ff9b::203.0.113.5]:443",
		"IPv6 without a name":                    "tcp [2001:db8::1]:443",
		"the name at the loopback":               "tcp 127.0.0.1:443 good.example",
		"the name at another loopback address":   "tcp 127.9.9.9:443 good.example",
		"the name at the host":                   "tcp host:443 good.example",
		"the name at 0.0.0.0":                    "tcp 0.0.0.0:443 good.example",
		"the name at a private address":          "tcp 192.168.1.1:443 good.example",
		"the name at the metadata service":       "tcp 169.254.169.254:443 good.example",
		"the name at Alibaba's metadata service": "tcp 100.100.100.200:443 good.example",
		"the name at Azure's metadata service":   "tcp 168.63.129.16:443 good.example",
		"the name at Oracle's metadata service":  "tcp 192.0.0.192:443 good.example",
		"the name at AWS' metadata over IPv6":    "tcp [fd00:ec2::254]:443 good.example",
		"the name at the virtual network":        "tcp 198.18.7.9:443 good.example",
		"the name at its IPv6":                   "tcp [fd62:616e:6765:7200::9]:443 good.example",
		"the name at IPv6 loopback":              "tcp [::1]:443 good.example",
		"the name at IPv6 unspecified":           "tcp [::]:443 good.example",
		"the name at link-local":                 "tcp [fe80::1]:443 good.example",
		"the name at link-local with a zone":     "tcp [fe80::1%eth0]:443 good.example",
		"the name at site-local":                 "tcp [fec0::1]:443 good.example",
		"the name at a unique local address":     "tcp [fd12::1]:443 good.example",
		"the name at multicast":                  "tcp [ff02::1]:443 good.example",
		"the name at an IPv4-mapped address":     "tcp [::ffff:10.0.0.1]:443 good.example",
		"the name at mapped loopback":            "tcp [::ffff:127.0.0.1]:443 good.example",
		"the name at a compatible address":       "tcp [::10.0.0.1]:443 good.example",
		"the name at a translated address":       "tcp [::ffff:0:10.0.0.1]:443 good.example",
		"the name at a private 6to4 address":     "tcp [2002:a00:1::1]:443 good.example",
		"the name at metadata by 6to4":           "tcp [2002:a9fe:a9fe::1]:443 good.example",
		"the name at loopback by NAT64":          "tcp [64:ff9b::127.0.0.1]:443 good.example",
		"the name at metadata by NAT64":          "tcp [64:ff9b::169.254.169.254]:443 good.example",
		"the name at local NAT64":                "tcp [64:ff9b:1::10.0.0.1]:443 good.example",
		"the name at a private Teredo server":    "tcp [2001:0:a00:1::1]:443 good.example",
		"the name at a private Teredo client":    "tcp [2001:0:cb00:7105::f5ff:fffe]:443 good.example",
		"the name at another Teredo client":      "tcp [2001:0:cb00:7105::3f57:fffe]:443 good.example",
		"the name at a private ISATAP address":   "tcp [2001:db8::5efe:10.0.0.1]:443 good.example",
		"the same, with the universal bit":       "tcp [2001:db8::200:5efe:10.0.0.1]:443 good.example",
		"multicast":                              "udp 224.0.0.251:5353",
		"broadcast":                              "udp 255.255.255.255:67",
		"a neighbour":                            "tcp 198.18.1.9:22",
	} {
		if v := mustParse(t, strict).Decide(flow(t, f)); v.Allow {
			t.Errorf("%s (%s) is allowed: %+v", attempt, f, v)
		}
	}
}

// No rule that is for more than the reserved ranges opens them.
func TestDecideKeepsReservedRangesShut(t *testing.T) {
	for _, policy := range []string{
		"all", "default deny; allow any", "default allow; allow 0.0.0.0/0; allow ::/0",
		"default deny; allow 8.0.0.0/5; allow 96.0.0.0/3; allow 160.0.0.0/3; allow 192.0.0.0/2; allow 8000::/1; allow ::/1",
		"default allow; allow *.example; allow a.example",
	} {
		for _, f := range []string{
			"tcp 10.0.0.1:80 a.example", "tcp 127.0.0.1:80 a.example", "tcp 169.254.169.254:80 a.example",
			"tcp 192.168.0.1:80 a.example", "tcp 172.31.0.1:80 a.example", "tcp 100.64.0.1:80 a.example",
			"tcp [::1]:80 a.example", "tcp [fe80::1]:80 a.example", "tcp [fc00::1]:80 a.example",
			"tcp [::ffff:192.168.0.1]:80 a.example", "tcp [2002:c0a8:1::]:80 a.example", "udp 239.1.1.1:80", "icmp 10.0.0.1",
			"tcp host:80", "tcp host:80 a.example",
		} {
			if v := mustParse(t, policy).Decide(flow(t, f)); v.Allow {
				t.Errorf("%q allows %q: %+v", policy, f, v)
			}
		}
	}
}

// A deny rule for an address holds for its other forms too.
func TestDecideDeniesOtherFormsOfAnAddress(t *testing.T) {
	policy := mustParse(t, "default allow; deny 203.0.113.0/24")
	for _, f := range []string{
		"tcp 203.0.113.5:80", "tcp [::ffff:203.0.113.5]:80", "tcp [64:ff9b::203.0.113.5]:80", "tcp [2002:cb00:7105::1]:80",
	} {
		if v := policy.Decide(flow(t, f)); v.Allow || v.Rule != "deny 203.0.113.0/24" {
			t.Errorf("%q: %+v", f, v)
		}
	}
}

func TestReserved(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "10.1.2.3": true, "172.16.0.1": true, "192.168.0.1": true, "169.254.169.254": true, "100.64.0.1": true, "0.0.0.0": true,
		"224.0.0.1": true, "255.255.255.255": true, "240.0.0.1": true, "::1": true, "fe80::1": true, "fe80::1%eth0": true, "fd00::1": true, "::": true,
		"::ffff:10.0.0.1": true, "64:ff9b::a00:1": true, "2002:a00:1::": true,
		"8.8.8.8": false, "140.82.121.33": false, "2606:50c0:8000::154": false, "64:ff9b::808:808": false, "::ffff:8.8.8.8": false,
	} {
		if got := egress.Reserved(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is reserved: %v, want %v", text, got, want)
		}
	}
}

func TestResolves(t *testing.T) {
	const some = "default deny; deny no.example.org; deny part.example.org tcp/80; allow *.example.org; allow 203.0.113.0/24; allow host"
	for _, c := range []struct {
		policy, name string
		allow        bool
		rule         string
	}{
		{"all", "any.example", true, "default allow"},
		{"none", "any.example", false, "default deny"},
		{some, "A.Example.Org.", true, "allow *.example.org"},
		{some, "part.example.org", true, "allow *.example.org"},
		{some, "no.example.org", false, "deny no.example.org"},
		{some, "example.org", false, "default deny"},
		{some, "5.113.0.203.in-addr.arpa", false, "default deny"},
		{"default allow; deny *.example", "a.example", false, "deny *.example"},
		{"default allow; deny *.example udp", "a.example", true, "default allow"},
		{"default deny; allow any tcp/443", "a.example", true, "allow any tcp/443"},
		{"default deny; allow 0.0.0.0/0", "a.example", true, "allow 0.0.0.0/0"},
		{"default allow; deny any", "a.example", false, "deny any"},
		{"default allow; deny any udp", "a.example", true, "default allow"},
		{"default deny; allow a.example; deny any; allow b.example", "b.example", false, "deny any"},
		{"all", "a b.example", false, "invalid"},
		{"all", "a\x00.example", false, "invalid"},
		{"all", "a..example", false, "invalid"},
		{"all", "a.example..", false, "invalid"},
		{"all", "", false, "invalid"},
		{"all", ".", false, "invalid"},
		{"all", long(64) + ".example", false, "invalid"},
		{"all", labels(255), false, "invalid"},
	} {
		if v := mustParse(t, c.policy).Resolves(c.name); v.Allow != c.allow || v.Rule != c.rule {
			t.Errorf("%q, %q: %+v, want %v by %q", c.policy, c.name, v, c.allow, c.rule)
		}
	}
}

func FuzzDecide(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1}, "a.example")
	f.Add([]byte{0x20, 2, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "a.example")
	f.Add([]byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 127, 0, 0, 1}, "A.example.")
	open, err := egress.Parse("default allow; allow any; allow 0.0.0.0/0; allow ::/0; allow *.example")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		addr, ok := netip.AddrFromSlice(raw)
		resolves := open.Resolves(name)
		fl := egress.Flow{Protocol: egress.TCP, Addr: netip.AddrPortFrom(addr, 80), Names: []string{name}}
		v := open.Decide(fl)
		plain := addr.Unmap()
		private := plain.IsPrivate() || plain.IsLoopback() || plain.IsLinkLocalUnicast() || plain.IsMulticast() || plain.IsUnspecified()
		if v.Allow && (!ok || private) {
			t.Fatalf("%s is allowed: %+v", addr, v)
		}
		if v.Rule == "" || resolves.Rule == "" {
			t.Fatalf("no ground: %+v, %+v", v, resolves)
		}
		if v.Allow && open.CheckHost(fl, v, egress.Said{Speech: egress.Sound, Hosts: []string{name}}).Allow != resolves.Allow && name != "" && !isAddress(name) {
			t.Fatalf("%q resolves: %+v; as a host: %+v", name, resolves, open.CheckHost(fl, v, egress.Said{Speech: egress.Sound, Hosts: []string{name}}))
		}
	})
}

// isAddress: as a host, an address needs no name.
func isAddress(name string) bool { _, err := netip.ParseAddr(name); return err == nil }
