package daemon_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"

	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/peertest"
	"github.com/bangervm/banger/internal/vm"
)

// namesPort has the daemon answer for .vm at a port, which the returned listener
// holds.
func namesPort(t *testing.T) (string, net.Listener) {
	t.Helper()
	at := netip.AddrPortFrom(vm.NamesAddress(os.Getuid()), 0)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BANGER_NAMES_PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	return l.Addr().String(), l
}

func TestTheDaemonAnswersForVMs(t *testing.T) {
	opts := home(t)
	addr, l := namesPort(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ping, err := c.Ping(t.Context()); err != nil || ping.Names != addr || ping.NamesProblem != "" {
		t.Errorf("Ping says %q, %q, %v", ping.Names, ping.NamesProblem, err)
	}
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	if mine, err := r.LookupHost(t.Context(), "gateway.vm."); err != nil || len(mine) != 1 || mine[0] != vm.NamesAddress(os.Getuid()).String() {
		t.Errorf("gateway.vm is %v, %v", mine, err)
	}
	_, err = r.LookupHost(t.Context(), "nobody.vm.")
	if missing, ok := errors.AsType[*net.DNSError](err); !ok || !missing.IsNotFound {
		t.Errorf("nobody.vm gave %v", err)
	}
}

// Another program has the port, another daemon of this user's for example.
func TestTheNextPortAnswersForVMs(t *testing.T) {
	opts := home(t)
	addr, l := namesPort(t)
	defer func() { _ = l.Close() }()
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ping, err := c.Ping(t.Context())
	if err != nil || ping.Names == addr || ping.NamesProblem != addr+" is in use by another of your programs" {
		t.Errorf("Ping says %q, %q, %v", ping.Names, ping.NamesProblem, err)
	}
	taken := netip.MustParseAddrPort(addr)
	if at, err := netip.ParseAddrPort(ping.Names); err != nil || at.Addr() != taken.Addr() || at.Port() <= taken.Port() {
		t.Errorf("it answers at %q, %v", ping.Names, err)
	}
}

func TestASquatterAtThePortForNamesIsNamed(t *testing.T) {
	opts := home(t)
	addr, l := namesPort(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	peertest.AsStranger(t, func() {
		squat, err := net.Listen("tcp4", addr) //nolint:noctx // at once
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = squat.Close() })
	})
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := addr + " is in use by a program of user " + strconv.Itoa(peertest.Stranger)
	if ping, err := c.Ping(t.Context()); err != nil || ping.NamesProblem != want || ping.Names == addr {
		t.Errorf("Ping says %q, %q, %v", ping.Names, ping.NamesProblem, err)
	}
}
