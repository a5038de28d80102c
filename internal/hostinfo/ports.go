package hostinfo

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"

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
		return cannotListen(err, proto, addr)
	}
	return socket.Close()
}

func cannotListen(err error, proto string, addr netip.AddrPort) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fault.Wrap(fault.Conflict, err, "host port %s/%s is already in use", addr, proto).
			WithHint("choose another port; ss -lnp shows what uses it")
	case errors.Is(err, syscall.EACCES):
		return fault.Wrap(fault.PermissionDenied, err, "host port %s/%s is reserved for root", addr, proto).
			WithHint("choose a port from 1024 on")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.Wrap(fault.Invalid, err, "this host has no address %s", addr.Addr()).
			WithHint("ip address shows the addresses that it has")
	default:
		return fault.Wrap(fault.Unavailable, err, "cannot use host port %s/%s", addr, proto).WithHint("choose another port")
	}
}
