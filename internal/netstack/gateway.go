package netstack

import (
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"strings"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/bangervm/banger/internal/netstack/dns"
	"github.com/bangervm/banger/internal/vm"
)

// dnsIdle is how long a guest's DNS connection may be silent.
const dnsIdle = 20 * time.Second

// connectGateway serves a connection to the gateway itself: DNS, or nothing.
func (n *Network) connectGateway(r *tcp.ForwarderRequest, port uint16) {
	if port != dnsPort {
		r.Complete(true)
		return
	}
	select {
	case n.queries <- struct{}{}:
	default:
		r.Complete(true)
		return
	}
	defer func() { <-n.queries }()
	conn, err := n.accept(n.ctx, r)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(n.ctx, conn.reset)
	defer stop()
	for {
		if err := conn.SetDeadline(time.Now().Add(dnsIdle)); err != nil {
			return
		}
		if err := n.answerOne(conn); err != nil {
			return
		}
	}
}

// answerOne answers one question on a stream.
func (n *Network) answerOne(conn io.ReadWriter) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(n.ctx, queryTimeout)
	defer cancel()
	reply := n.dns.Answer(ctx, query, dns.Stream)
	if reply == nil {
		return io.ErrUnexpectedEOF
	}
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	return err
}

// localName answers for the names of the virtual network; of others below "vm"
// the server says that they are not there.
func (n *Network) localName(name string) (addrs []netip.Addr, known bool) {
	short, suffixed := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(name, ".")), vm.NameSuffix)
	switch {
	case short == strings.ToLower(n.config.Name):
		return []netip.Addr{n.plan.guest4, n.plan.guest6}, true
	case !suffixed:
		return nil, false
	case short == vm.HostName:
		return []netip.Addr{n.plan.host4, n.plan.host6}, true
	case short == vm.GatewayName:
		return []netip.Addr{n.plan.gateway4, n.plan.gateway6}, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, who := range n.neighbours {
		if short == strings.ToLower(who.Name) {
			return []netip.Addr{who.Address4, who.Address6}, true
		}
	}
	return nil, false
}
