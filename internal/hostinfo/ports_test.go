package hostinfo

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

var _ vm.HostPorts = Ports{}

func TestPortsThatAreTaken(t *testing.T) {
	var lc net.ListenConfig
	tcp, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := lc.ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addrs := map[string]netip.AddrPort{
		"tcp": tcp.Addr().(*net.TCPAddr).AddrPort(), "udp": udp.LocalAddr().(*net.UDPAddr).AddrPort(),
	}
	for proto, addr := range addrs {
		err := Ports{}.Free(t.Context(), proto, addr)
		if !errors.Is(err, fault.Conflict) || fault.HintOf(err).String() == "" {
			t.Errorf("%s %s gave %v", proto, addr, err)
		}
	}
	if err := errors.Join(tcp.Close(), udp.Close()); err != nil {
		t.Fatal(err)
	}
	for proto, addr := range addrs {
		for range 2 { // it is not kept
			if err := (Ports{}).Free(t.Context(), proto, addr); err != nil {
				t.Errorf("%s %s, free, gave %v", proto, addr, err)
			}
		}
	}
	if err := (Ports{}).Free(t.Context(), "tcp", netip.MustParseAddrPort("192.0.2.1:4000")); !errors.Is(err, fault.Invalid) {
		t.Errorf("an address of another host gave %v", err)
	}
}
