package hostinfo

import (
	"context"
	"io"
	"net"
	"net/netip"

	"github.com/bangervm/banger/internal/fault"
)

// Ports implements vm.HostPorts.
type Ports struct{}

// Free implements vm.HostPorts by listening for an instant.
func (Ports) Free(ctx context.Context, proto string, addr netip.AddrPort) error {
	network := proto + "4"
	if addr.Addr().Is6() {
		network = proto + "6"
	}
	var lc net.ListenConfig
	var socket io.Closer
	var err error
	if proto == "udp" {
		socket, err = lc.ListenPacket(ctx, network, addr.String())
	} else {
		socket, err = lc.Listen(ctx, network, addr.String())
	}
	if err != nil {
		return fault.CannotListen(err, addr.String()+"/"+proto)
	}
	return socket.Close()
}
