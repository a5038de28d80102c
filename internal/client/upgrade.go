package client

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strconv"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/stream"
)

// Stream is a connection to a VM's agent, direct or relayed by the daemon. Bytes
// that came together with the daemon's answer are read first.
type Stream struct{ net.Conn }

// CloseWrite says that nothing more will be sent; the other end can go on.
func (s *Stream) CloseWrite() error {
	return stream.CloseWrite(s.Conn)
}

// relayedDial is DialVM by way of the daemon.
func (c *Client) relayedDial(ctx context.Context, name string, port uint32) (*Stream, error) {
	r, err := request(ctx, http.MethodGet, path("vms", name, "stream", strconv.FormatUint(uint64(port), 10)), nil)
	if err != nil {
		return nil, err
	}
	return c.upgrade(r, api.StreamProtocol)
}

// relayedAttach is AttachSession by way of the daemon.
func (c *Client) relayedAttach(ctx context.Context, vm, name string, req api.AttachSession) (*Stream, error) {
	r, err := request(ctx, http.MethodPost, path("vms", vm, "sessions", name, "attach"), req)
	if err != nil {
		return nil, err
	}
	return c.upgrade(r, api.AttachProtocol)
}

// upgrade sends r on its own connection and hands that out after
// "101 Switching Protocols". The request's context bounds the handshake only.
func (c *Client) upgrade(r *http.Request, protocol string) (*Stream, error) {
	ctx := r.Context()
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	stream, err := c.handshake(conn, r, protocol)
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, err
	}
	if !stop() {
		_ = conn.Close()
		return nil, c.transportError(ctx, ctx.Err())
	}
	return stream, nil
}

func (c *Client) handshake(conn net.Conn, r *http.Request, protocol string) (*Stream, error) {
	if err := c.mark(r); err != nil {
		return nil, err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", protocol)
	if err := r.Write(conn); err != nil {
		return nil, c.transportError(r.Context(), err)
	}
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, r)
	if err != nil {
		return nil, c.transportError(r.Context(), err)
	}
	c.noteBuild(resp.Header)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode/100 == 2 {
			return nil, fault.New(fault.Internal, "bangerd answered %s instead of upgrading to %s", resp.Status, protocol)
		}
		return nil, answerError(resp)
	}
	return &Stream{stream.Buffered(conn, reader)}, nil
}
