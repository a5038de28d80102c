package guest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/stream"
)

// maxWord and maxCommand bound what a guest says of a process, in bytes.
const (
	maxWord    = 64
	maxCommand = 256
)

// DialGuest connects to something in the guest, from inside it: for "tcp" and
// "unix" the connection has CloseWrite; for "udp" each Read gives one datagram,
// cut to what fits, and each Write sends one. ctx bounds
// the dial only. What does not answer in the guest is Unavailable.
func (c Client) DialGuest(ctx context.Context, req agentrpc.DialRequest) (net.Conn, error) {
	if req.Network != "udp" {
		conn, resp, err := c.upgrade(ctx, agentrpc.PathDial, agentrpc.FramedDialProtocol, req, unlessOlder)
		if err == nil {
			return agentrpc.NewFramed(stream.Buffered(conn, resp.in)), nil
		}
		if !errors.Is(err, errOlder) {
			return nil, err
		}
	}
	conn, resp, err := c.upgrade(ctx, agentrpc.PathDial, agentrpc.DialProtocol, req, plainRefusal)
	if err != nil {
		return nil, err
	}
	conn = stream.Buffered(conn, resp.in)
	if req.Network == "udp" {
		return agentrpc.NewDatagrams(conn, conn), nil
	}
	return conn, nil
}

// errOlder is the refusal of an agent of a build before FramedDialProtocol.
var errOlder = errors.New("the agent does not know " + agentrpc.FramedDialProtocol)

func unlessOlder(resp *answer) error {
	if resp.status == http.StatusUpgradeRequired {
		return errOlder
	}
	return plainRefusal(resp)
}

// SocketOwner returns the process in the guest that has a socket of proto ("tcp"
// or "udp") with this local port; it is empty where that is not known. What it
// says of itself is the guest's word, bounded and printable.
func (c Client) SocketOwner(ctx context.Context, proto string, port uint16) (agentrpc.Owner, error) {
	query := url.Values{"proto": {proto}, "port": {strconv.Itoa(int(port))}}
	owner, err := ask[agentrpc.Owner](ctx, c, http.MethodGet, agentrpc.PathSocket+"?"+query.Encode(), nil, maxBody)
	if err != nil {
		return agentrpc.Owner{}, err
	}
	if len(owner.Process) > maxWord || len(owner.Command) > maxCommand || owner.PID < 0 {
		return agentrpc.Owner{}, fault.New(fault.Unavailable, "the guest's answer about its port %d is malformed", port)
	}
	owner.Process, owner.Command = plain.Line(owner.Process, maxWord), plain.Line(owner.Command, maxCommand)
	return owner, nil
}
