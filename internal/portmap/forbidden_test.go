package portmap

import (
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// forbidLowPorts takes the right to ports below the limit from this goroutine,
// which keeps its thread for good.
func forbidLowPorts(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // without an end: the thread goes with the goroutine
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
	caps[0].Effective &^= 1 << unix.CAP_NET_BIND_SERVICE
	if err := unix.Capset(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
}

func TestForbiddenPortIsLifted(t *testing.T) {
	forbidLowPorts(t)
	if l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback.AsSlice(), Port: 81}); err == nil {
		_ = l.Close()
		const why = "net.ipv4.ip_unprivileged_port_start of this host forbids no ports"
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	g := newGuest(t, nil)
	g.listening(tcp("0.0.0.0", 81))
	if p := g.only(); p.HostPort < 1024 || p.Problem != "" {
		t.Errorf("port is %+v", p)
	}
}
