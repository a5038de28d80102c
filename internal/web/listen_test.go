package web_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/web"
)

// twoLoopbacks skips where the host has no IPv6.
func twoLoopbacks(t *testing.T) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 loopback: %v", err)
	}
	_ = l.Close()
}

func port(t *testing.T, l net.Listener) uint16 {
	t.Helper()
	at, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return at.Port()
}

func TestListenTakesOnlyLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:7777", "192.0.2.1:80", "localhost:80", ":80", "127.0.0.1", "127.0.0.2:7777"} {
		if l, err := web.Listen(t.Context(), address); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", address, l, err)
		}
	}
}

// Browsers ask [::1] for the console before 127.0.0.1, or the other way round: nobody else
// may answer at either.
func TestListenTakesThePortAtBothAddresses(t *testing.T) {
	twoLoopbacks(t)
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		all, err := web.Listen(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 2 || port(t, all[0]) != port(t, all[1]) || all[0].Addr().String() == all[1].Addr().String() {
			t.Errorf("%s: it listens at %v", address, all)
		}
		for _, l := range all {
			if _, err := web.Listen(t.Context(), l.Addr().String()); !errors.Is(err, fault.Unavailable) {
				t.Errorf("a port that is taken: %v", err)
			}
		}
		if err := all.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A port that is another's at one of the addresses is none.
func TestListenTakesNoHalfOfAPort(t *testing.T) {
	twoLoopbacks(t)
	for _, theirs := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		squatter, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", theirs)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range web.Loopbacks() {
			at := netip.AddrPortFrom(addr, port(t, squatter))
			if all, err := web.Listen(t.Context(), at.String()); !errors.Is(err, fault.Unavailable) {
				t.Errorf("with another at %s: %v, %v", squatter.Addr(), all, err)
			}
		}
		// What it took before it failed it gives up again.
		_ = squatter.Close()
		all, err := web.Listen(t.Context(), netip.AddrPortFrom(web.Loopbacks()[0], port(t, squatter)).String())
		if err != nil {
			t.Fatal(err)
		}
		_ = all.Close()
	}
}

func TestAdopt(t *testing.T) {
	twoLoopbacks(t)
	listen := func(address string) net.Listener {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	half := listen("127.0.0.1:0")
	all, err := web.Adopt(t.Context(), []net.Listener{half})
	if err != nil || len(all) != 2 || all.Port() != port(t, half) {
		t.Errorf("half of a port: %v, %v", all, err)
	}
	_ = all.Close()
	for name, had := range map[string][]net.Listener{
		"nothing": nil, "two ports": {listen("127.0.0.1:0"), listen("[::1]:0")}, "another address": {listen("127.0.0.9:0")}, "all addresses": {listen("0.0.0.0:0")},
	} {
		if all, err := web.Adopt(t.Context(), had); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}
