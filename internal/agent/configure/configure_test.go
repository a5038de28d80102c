package configure

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

func super(blocks uint64, logBlock uint32, incompat uint32) []byte {
	b := make([]byte, superSize)
	binary.LittleEndian.PutUint16(b[superMagic:], ext4Magic)
	binary.LittleEndian.PutUint32(b[superBlocksLo:], uint32(blocks))
	binary.LittleEndian.PutUint32(b[superBlocksHi:], uint32(blocks>>32))
	binary.LittleEndian.PutUint32(b[superLogBlock:], logBlock)
	binary.LittleEndian.PutUint32(b[superPerGroup:], 32768)
	binary.LittleEndian.PutUint32(b[superIncompat:], incompat)
	return b
}

func TestWantedBlocks(t *testing.T) {
	const gib = 1 << 30
	for name, tc := range map[string]struct {
		super  []byte
		size   int64
		blocks uint64
		larger bool
	}{
		"as large as its disk": {super(gib/4096, 2, 0), gib, gib / 4096, false},
		"a larger disk":        {super(gib/4096, 2, 0), 8 * gib, 8 * gib / 4096, true},
		"1 KiB blocks":         {super(gib/1024, 0, 0), 2 * gib, 2 * gib / 1024, true},
		"a useless rest":       {super(gib/4096, 2, 0), gib + 1<<20, gib/4096 + 256, false},
		"a smaller disk":       {super(gib/4096, 2, 0), gib / 2, gib / 8192, false},
		"beyond 32 bits":       {super(1<<33, 2, incompat64Bit), 1 << 45, 1 << 33, false},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, larger, err := wanted(tc.super, tc.size)
			if err != nil || blocks != tc.blocks || larger != tc.larger {
				t.Errorf("wanted = %d, %v, %v", blocks, larger, err)
			}
		})
	}
	if _, _, err := wanted(make([]byte, superSize), gib); err == nil {
		t.Error("a disk without ext4 was taken")
	}
}

func FuzzWantedBlocks(f *testing.F) {
	f.Add(super(1000, 2, 0), int64(1<<30))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		b := make([]byte, superSize)
		copy(b, data)
		if blocks, larger, err := wanted(b, size&(1<<50-1)); err == nil && larger && blocks == 0 {
			t.Error("grows to nothing")
		}
	})
}

func TestHosts(t *testing.T) {
	const local = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for name, tc := range map[string]struct{ have, want string }{
		"empty":               {"", local + "127.0.1.1\tdev\t# by banger\n"},
		"no newline":          {"127.0.0.1 localhost", "127.0.0.1 localhost\n127.0.1.1\tdev\t# by banger\n"},
		"complete":            {"127.0.0.1 localhost dev\n", "127.0.0.1 localhost dev\n"},
		"a comment":           {"127.0.0.1 localhost # dev\n", "127.0.0.1 localhost # dev\n127.0.1.1\tdev\t# by banger\n"},
		"renamed":             {local + "127.0.1.1\told\t# by banger\n", local + "127.0.1.1\tdev\t# by banger\n"},
		"the user's own line": {local + "127.0.1.1\told\n127.0.1.1 old x # by banger\n", local + "127.0.1.1\told\n127.0.1.1 old x # by banger\n127.0.1.1\tdev\t# by banger\n"},
		"as it was":           {local + "127.0.1.1\tdev\t# by banger\n", local + "127.0.1.1\tdev\t# by banger\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(hosts([]byte(tc.have), "dev")); got != tc.want {
				t.Errorf("hosts = %q, want %q", got, tc.want)
			}
		})
	}
}

func testNetwork() *agentrpc.Network {
	return &agentrpc.Network{
		MAC: "52:54:00:00:01:02", MTU: 65520, Address: []string{"198.18.1.2/15", "fd00::102/64"},
		Gateway: []string{"198.18.0.1", "fd00::1"}, DNS: []string{"198.18.0.1"},
	}
}

func TestNetworkFiles(t *testing.T) {
	byPath := func(installed ...string) map[string]string {
		files := map[string]string{}
		for _, f := range networkFiles(testNetwork(), func(path string) bool { return slices.Contains(installed, path) }) {
			files[f.Path] = string(f.Data)
		}
		return files
	}
	plain := byPath()
	if len(plain) != 1 || !strings.HasSuffix(plain["/etc/resolv.conf"], "\nnameserver 198.18.0.1\n") {
		t.Errorf("an image without a manager gets %v", plain)
	}
	systemd := byPath("/usr/lib/systemd/systemd-networkd")["/run/systemd/network/00-banger.network"]
	for _, want := range []string{
		"[Match]\nMACAddress=52:54:00:00:01:02\n", "\nDHCP=no\n", "\nGateway=fd00::1\n", "\nDNS=198.18.0.1\n",
		"[Address]\nAddress=198.18.1.2/15\n", "[Address]\nAddress=fd00::102/64\n",
	} {
		if !strings.Contains(systemd, want) {
			t.Errorf("systemd-networkd's file lacks %q:\n%s", want, systemd)
		}
	}
	manager := byPath("/usr/sbin/NetworkManager")["/run/NetworkManager/conf.d/00-banger.conf"]
	if !strings.Contains(manager, "match-device=mac:52:54:00:00:01:02\nmanaged=0\n") {
		t.Errorf("NetworkManager's file is %q", manager)
	}
}

func TestNICConfig(t *testing.T) {
	cfg, err := nicConfig(testNetwork())
	if err != nil || cfg.MTU != 65520 || len(cfg.Addresses) != 2 || cfg.Addresses[0] != netip.MustParsePrefix("198.18.1.2/15") || len(cfg.Gateways) != 2 {
		t.Errorf("nicConfig = %+v, %v", cfg, err)
	}
	for _, spoil := range []func(*agentrpc.Network){
		func(n *agentrpc.Network) { n.Address[0] = "198.18.1.2" },
		func(n *agentrpc.Network) { n.Gateway[1] = "gateway" },
	} {
		n := testNetwork()
		spoil(n)
		if _, err := nicConfig(n); err == nil {
			t.Errorf("%+v was taken", n)
		}
	}
}
