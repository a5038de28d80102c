package netstack

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/stream"
)

// A neighbour's socket takes one request a connection: a line of JSON, which one
// byte answers, 1 for connected and 0 for refused. Then the bytes of a TCP
// connection follow as they are, each direction ending by itself; of UDP,
// datagrams, each behind its length in two bytes, big-endian.
const (
	neighbourConnected = 1
	neighbourRefused   = 0

	maxNeighbourLine = 1 << 10
	neighbourTime    = 20 * time.Second
)

// neighbourRequest is that line.
type neighbourRequest struct {
	VMID  string `json:"vm_id"` // who asks
	Proto string `json:"proto"` // "tcp" or "udp"
	Port  uint16 `json:"port"`
	IPv6  bool   `json:"ipv6,omitempty"`
}

// SetNeighbours says who the neighbours are, all of them. Flows to those who are
// not any more are cut.
func (n *Network) SetNeighbours(neighbours []Neighbour) {
	n.mu.Lock()
	n.neighbours = slices.Clone(neighbours)
	var cut []*flow
	for f := range n.flows {
		if f.neighbour != nil && !slices.Contains(n.neighbours, *f.neighbour) {
			cut = append(cut, f)
		}
	}
	n.mu.Unlock()
	for _, f := range cut {
		f.cut("no longer a neighbour")
	}
}

// dialNeighbour opens the flow's host side: the neighbour's monitor.
func (n *Network) dialNeighbour(ctx context.Context, f *flow) (net.Conn, error) {
	conn, err := statedir.DialUnix(ctx, f.neighbour.Socket) // whatever the path's length
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	line, err := json.Marshal(neighbourRequest{
		VMID: n.config.VMID, Proto: string(f.flow.Protocol), Port: f.asked.Port(), IPv6: f.asked.Addr().Is6(),
	})
	if err == nil {
		_, err = conn.Write(append(line, '\n'))
	}
	var answer [1]byte
	if err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err == nil && answer[0] != neighbourConnected {
		err = fault.New(fault.Unavailable, "refused by %s", f.neighbour.Name)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if f.protocol == protocolUDP {
		return agentrpc.NewDatagrams(conn, bufio.NewReader(conn)), nil
	}
	return conn, nil
}

// ServeNeighbour serves one connection of the neighbours' socket and returns when
// it has ended, or ctx. It owns conn.
func (n *Network) ServeNeighbour(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)() //nolint:contextcheck // both end it
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	r := bufio.NewReaderSize(conn, maxNeighbourLine)
	guest, request, err := n.admit(ctx, conn, r)
	if err != nil {
		_, _ = conn.Write([]byte{neighbourRefused})
		return
	}
	defer func() { _ = guest.Close() }()
	defer context.AfterFunc(ctx, func() { _ = guest.Close() })()
	if _, err := conn.Write([]byte{neighbourConnected}); err != nil {
		return
	}
	if request.Proto == "udp" {
		joinDatagrams(ctx, guest, agentrpc.NewDatagrams(conn, r))
		return
	}
	_ = stream.Join(ctx, guest, stream.Buffered(conn, r)) // nobody waits for how it went
}

// admit reads the request and, if it is a neighbour's, connects to the guest.
func (n *Network) admit(ctx context.Context, conn net.Conn, r *bufio.Reader) (net.Conn, neighbourRequest, error) {
	var request neighbourRequest
	if err := conn.SetReadDeadline(time.Now().Add(neighbourTime)); err != nil {
		return nil, request, err
	}
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, request, err
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, request, err
	}
	from, ok := n.neighbourAddress(request)
	if !ok {
		return nil, request, fault.New(fault.PermissionDenied, "%q is not a neighbour", request.VMID)
	}
	to := n.plan.guest4
	if from.Is6() {
		to = n.plan.guest6
	}
	ctx, cancel := context.WithTimeout(ctx, neighbourTime)
	defer cancel()
	guest, err := n.dialGuest(ctx, request.Proto, from, to, request.Port)
	return guest, request, errors.Join(err, conn.SetReadDeadline(time.Time{}))
}

// neighbourAddress is the address that the asker has in the virtual network.
func (n *Network) neighbourAddress(request neighbourRequest) (netip.Addr, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, who := range n.neighbours {
		if who.VMID == request.VMID && request.VMID != "" {
			if request.IPv6 {
				return who.Address6, who.Address6.Is6()
			}
			return who.Address4, who.Address4.Is4()
		}
	}
	return netip.Addr{}, false
}
