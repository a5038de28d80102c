package netstack

import (
	"net"
	"net/netip"
	"testing"
)

func TestThePlaceOfTheHost(t *testing.T) {
	var addrs []net.Addr
	for _, text := range []string{
		"127.0.0.1/8", "203.0.113.4/24", "::1/128", "fe80::4/64", "2001:db8:1::4/64", "2001:db8:2::4/128", "3000::4/16",
	} {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	p := placeOf(addrs)
	for addr, want := range map[string]struct {
		own   bool
		local string
	}{
		"203.0.113.4":    {true, "invalid Prefix"},
		"203.0.113.5":    {false, "invalid Prefix"},
		"2001:db8:1::4":  {true, "2001:db8:1::/64"},
		"2001:db8:1::99": {false, "2001:db8:1::/64"},
		"2001:db8:2::4":  {true, "invalid Prefix"},
		"2001:db8:2::5":  {false, "invalid Prefix"},
		"3000::5":        {false, "invalid Prefix"},
	} {
		if own, local := p.find(netip.MustParseAddr(addr)); own != want.own || local.String() != want.local {
			t.Errorf("%s: own %v, in %s; want %+v", addr, own, local, want)
		}
	}
}

// What is in the host's own network is denied, though its address is public.
func TestTheHostsOwnNetwork(t *testing.T) {
	for policy, reached := range map[string]bool{
		"all": false, "default deny\nallow any": false, "default deny\nallow 2001:db8::/32": false,
		"default deny\nallow 2001:db8::/64": true, "default deny\nallow 2001:db8::7 tcp/8080": true,
	} {
		t.Run(policy, func(t *testing.T) {
			m := boot(t, policy)
			m.net.own = placeOf([]net.Addr{&net.IPNet{IP: net.ParseIP("2001:db8::4"), Mask: net.CIDRMask(64, 128)}}).find
			m.atOutside(t, echoAll)
			if err := echoed(m, outside6, "hello"); (err == nil) != reached {
				t.Errorf("reached: %v", err)
			}
		})
	}
}
