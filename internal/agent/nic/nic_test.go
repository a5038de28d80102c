package nic

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs f on a thread with its own network namespace, in which
// nic0 is a card (with nic1 at the other end of its cable).
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	done := make(chan string)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- "make a network namespace: " + err.Error()
			return
		}
		out, err := exec.CommandContext(t.Context(), "ip", "link", "add", "nic0", "type", "veth", "peer", "name", "nic1").CombinedOutput()
		if err != nil {
			done <- "make a network card: " + err.Error() + " " + string(out)
			return
		}
		f()
		done <- ""
	}()
	if why := <-done; why != "" {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
}

func addresses(t *testing.T, name string) (net.Interface, []string) {
	t.Helper()
	link, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return net.Interface{}, nil
	}
	list, err := link.Addrs()
	if err != nil {
		t.Error(err)
	}
	var texts []string
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return *link, texts
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestUp(t *testing.T) {
	cfg := Config{
		MTU:       65520,
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.1.2/15"), netip.MustParsePrefix("fd62:616e::102/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("fd62:616e::1")},
	}
	inNamespace(t, func() {
		if err := Loopback(); err != nil {
			t.Error(err)
		}
		if lo, _ := addresses(t, "lo"); lo.Flags&net.FlagUp == 0 {
			t.Error("the loopback interface is down")
		}
		for range 2 { // what is so already is no error
			if without, err := Up("nic0", cfg); without || err != nil {
				t.Errorf("Up = %v, %v", without, err)
			}
		}
		link, got := addresses(t, "nic0")
		if link.MTU != 65520 || link.Flags&net.FlagUp == 0 {
			t.Errorf("the card has MTU %d and flags %v", link.MTU, link.Flags)
		}
		for _, want := range []string{"198.18.1.2/15", "fd62:616e::102/64"} {
			if !slices.Contains(got, want) {
				t.Errorf("no %s among %v", want, got)
			}
		}
		if routes := read(t, "/proc/thread-self/net/route"); !strings.Contains(routes, "nic0\t00000000\t010012C6\t0003") {
			t.Errorf("the IPv4 routes are\n%s", routes)
		}
		routes := read(t, "/proc/thread-self/net/ipv6_route")
		if !strings.Contains(routes, strings.Repeat("0", 32)+" 00 "+strings.Repeat("0", 32)+" 00 fd62616e000000000000000000000001 ") {
			t.Errorf("the IPv6 routes are\n%s", routes)
		}
		// A duplicate is looked for, and an address tentative, with flag 0x40.
		for line := range strings.Lines(read(t, "/proc/thread-self/net/if_inet6")) {
			if f := strings.Fields(line); f[5] == "nic0" && f[0][:4] == "fd62" && f[4] != "82" {
				t.Errorf("the IPv6 address has flags %s, want permanent without detection", f[4])
			}
		}
	})
}

func TestUpWithoutIPv6(t *testing.T) {
	cfg := Config{
		Addresses: []netip.Prefix{netip.MustParsePrefix("198.18.1.2/15"), netip.MustParsePrefix("fd62:616e::102/64")},
		Gateways:  []netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("fd62:616e::1")},
	}
	inNamespace(t, func() {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/nic0/disable_ipv6", []byte("1"), 0); err != nil {
			t.Error(err)
			return
		}
		if without, err := Up("nic0", cfg); !without || err != nil {
			t.Errorf("Up = %v, %v", without, err)
		}
		if _, got := addresses(t, "nic0"); !slices.Equal(got, []string{"198.18.1.2/15"}) {
			t.Errorf("the addresses are %v", got)
		}
	})
}

func TestUpSaysWhatFailed(t *testing.T) {
	inNamespace(t, func() {
		if _, err := Up("nic7", Config{}); err == nil || !strings.Contains(err.Error(), "nic7") {
			t.Errorf("no card: %v", err)
		}
		_, err := Up("nic0", Config{Gateways: []netip.Addr{netip.MustParseAddr("203.0.113.1")}})
		if err == nil || !strings.Contains(err.Error(), "203.0.113.1") {
			t.Errorf("a gateway out of reach: %v", err)
		}
	})
}

func TestByMAC(t *testing.T) {
	sys := t.TempDir()
	for name, mac := range map[string]string{"lo": "00:00:00:00:00:00", "eth7": "52:54:00:ab:cd:ef"} {
		dir := filepath.Join(sys, "class/net", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "address"), []byte(mac+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for mac, want := range map[string]string{"52:54:00:AB:CD:EF": "eth7", "52:54:00:00:00:01": ""} {
		if got, err := ByMAC(sys, mac); got != want || err != nil {
			t.Errorf("%s is %q, %v; want %q", mac, got, err, want)
		}
	}
}
