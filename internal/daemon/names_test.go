package daemon_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/autostart"
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

func TestADaemonThatCannotAnswerForVMsServesAllTheSame(t *testing.T) {
	opts := home(t)
	addr, l := namesPort(t)
	defer func() { _ = l.Close() }()
	c, err := autostart.Ensure(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ping, err := c.Ping(t.Context()); err != nil || ping.Names != "" || !strings.Contains(ping.NamesProblem, addr) {
		t.Errorf("Ping says %q, %q, %v", ping.Names, ping.NamesProblem, err)
	}
}
