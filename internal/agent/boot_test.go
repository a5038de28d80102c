package agent_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
)

// TestNetworkCard boots the agent with a network card, and looks at the network
// from both ends of its cable.
func TestNetworkCard(t *testing.T) {
	m := boot(t, true)
	for _, c := range [][2]string{
		{"cat /sys/class/net/eth0/mtu", "65520"},
		{"cat /sys/class/net/eth0/address", "52:54:00:00:01:02"},
		{"cat /sys/class/net/eth0/carrier", "1"},
		{"cat /etc/resolv.conf", "# by banger, at each start\nnameserver 198.18.0.1"},
		{"grep -c '^127.0.1.1.boot.# by banger$' /etc/hosts", "1"},
		{"grep -c 'eth0.00000000.010012C6' /proc/net/route", "1"},
		{"grep -c '^fd62616e676572000000000000000102 .* 40 00 82 *eth0' /proc/net/if_inet6", "1"},
		{"grep -c '^0\\{32\\} 00 .* fd62616e676572000000000000000001 .* eth0' /proc/net/ipv6_route", "1"},
	} {
		if got := m.sh(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", c[0], got, c[1])
		}
	}
	for _, size := range []string{"56", "60000"} {
		if got := m.sh("ping -c 1 -W 10 -s " + size + " 198.18.0.1"); !strings.Contains(got, " 1 packets received") {
			t.Errorf("ping with %s bytes: %s", size, got)
		}
	}
	m.listensAndDials()
	if largest := m.nic.largest.Load(); largest != 60000+8+20+14 {
		t.Errorf("the largest frame had %d bytes: a packet of 60028 was cut", largest)
	}
	if foreign := m.nic.foreign.Load(); foreign != 0 {
		t.Errorf("%d frames from another MAC", foreign)
	}
}

// TestNoNetworkCard sees that a machine without one has nothing to do with networks.
func TestNoNetworkCard(t *testing.T) {
	m := boot(t, false)
	for _, c := range [][2]string{
		{"ls /sys/class/net", "lo"},
		{"grep -c -E '^(virtio_net|failover|net_failover) ' /proc/modules", "0"},
		{"readlink /etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"},
		{"ping -c 1 -W 10 127.0.0.1 | grep -c ' 1 packets received'", "1"},
	} {
		if got := m.sh(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", c[0], got, c[1])
		}
	}
}

// listensAndDials sees a listener of the guest come and go, and talks to it from
// inside the guest.
func (m *machine) listensAndDials() {
	t := m.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	listening := func(what string, want bool) {
		began := time.Now()
		m.until(what, func(msg agentrpc.GuestMessage) bool {
			if msg.Listening == nil {
				return false
			}
			for _, s := range msg.Listening.Sockets {
				if s.Proto == "tcp" && s.Port == 8080 {
					if s.Process != "nc" || s.Command != "nc -l -p 8080 -e cat" || s.PID == 0 {
						t.Errorf("the listener is %+v", s)
					}
					return want
				}
			}
			return !want
		})
		t.Logf("%s seen after %v", what, time.Since(began).Round(time.Millisecond))
	}
	listening("no listener", false)
	m.sh("nc -l -p 8080 -e cat >/dev/null 2>&1 &")
	listening("the listener", true)
	owner, err := m.client.SocketOwner(ctx, "tcp", 8080)
	if err != nil || owner.Process != "nc" {
		t.Errorf("the port's owner is %+v, %v", owner, err)
	}
	conn, err := m.client.DialGuest(ctx, agentrpc.DialRequest{Network: "tcp", Address: "127.0.0.1:8080"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "to and fro"); err != nil {
		t.Error(err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "to and fro" {
		t.Errorf("the listener said %q, %v", got, err)
	}
	listening("its end", false)
	if _, err := m.client.DialGuest(ctx, agentrpc.DialRequest{Network: "tcp", Address: "127.0.0.1:8080"}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("after its end: %v", err)
	}
	if health, err := m.client.Health(ctx); err != nil || health.CPUSeconds <= 0 || health.CPUSeconds > health.Uptime {
		t.Errorf("health is %+v, %v", health, err)
	}
}
