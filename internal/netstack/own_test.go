package netstack

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
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
	routes := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("::/0")}
	p := placeOf(addrs, routes)
	for addr, want := range map[string]struct {
		own   bool
		local string
	}{
		"203.0.113.4":    {true, "203.0.113.0/24"},
		"203.0.113.5":    {false, "203.0.113.0/24"},
		"203.0.114.5":    {false, "invalid Prefix"},
		"198.51.100.7":   {false, "198.51.100.0/24"},
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
			m.net.own = placeOf([]net.Addr{&net.IPNet{IP: net.ParseIP("2001:db8::4"), Mask: net.CIDRMask(64, 128)}}, nil).find
			m.atOutside(t, echoAll)
			if err := echoed(m, outside6, "hello"); (err == nil) != reached {
				t.Errorf("reached: %v", err)
			}
		})
	}
}

// While nobody could find out where the host is, nothing is let out.
func TestThePlaceOfTheHostIsNotKnown(t *testing.T) {
	fails := true
	find := placeFrom(func() ([]net.Addr, error) {
		if fails {
			return nil, net.ErrClosed
		}
		return nil, nil
	}, func() []netip.Prefix { return nil })
	addr := netip.MustParseAddr("203.0.113.5")
	if own, _ := find(addr); !own {
		t.Error("an address that may be the host's is not")
	}
	fails = false
	if own, _ := find(addr); own {
		t.Error("it is the host's once its addresses are known")
	}
}

func TestRoutesOfTheHost(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"route": `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010071CB	0003	0	0	0	00000000	0	0	0
tun0	006433C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
tun0	0A6433C6	00000000	0200	0	0	0	FFFFFFFF	0	0	0
bad
`,
		"ipv6_route": `20010db8000100000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0
20010db8000200000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001       lo
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, p := range readRoutes(dir) {
		got = append(got, p.String())
	}
	if want := []string{"0.0.0.0/0", "198.51.100.0/24", "2001:db8:1::/64"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if none := readRoutes(t.TempDir()); len(none) != 0 {
		t.Errorf("without files: %v", none)
	}
}
