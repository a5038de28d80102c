package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/guest"
)

// direct makes a stream from a VM's agent to this process, past the daemon,
// which says where the agent is. Such a stream outlives the daemon. Not tried:
// the daemon does not say, or not of this host; then it must be the relay, and
// its refusal is the one that counts.
func direct(ctx context.Context, vm string, ask func(context.Context) (api.Channel, error),
	open func(context.Context, api.Channel, guest.Client) (net.Conn, error),
) (stream *Stream, tried bool, err error) {
	at, err := ask(ctx)
	if err != nil || at.Socket == "" {
		return nil, false, nil // the relay says what is wrong
	}
	ctx, cancel := context.WithTimeout(ctx, guest.AnswerTimeout)
	defer cancel()
	conn, err := open(ctx, at, guest.Client{VM: vm, Socket: at.Socket, Token: at.Token})
	switch {
	case err == nil:
		return &Stream{conn}, true, nil
	case elsewhere(err):
		return nil, false, nil
	default:
		return nil, true, err
	}
}

// elsewhere reports whether a socket is not one of this host's, or not in reach
// of this process.
func elsewhere(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.ECONNREFUSED)
}

// Channel tells where a VM's agent answers on the daemon's host, past it.
func (c *Client) Channel(ctx context.Context, name string) (api.Channel, error) {
	return call[api.Channel](ctx, c, http.MethodGet, path("vms", name, "channel"), nil)
}

// channel is Channel of one VM.
func (c *Client) channel(name string) func(context.Context) (api.Channel, error) {
	return func(ctx context.Context) (api.Channel, error) { return c.Channel(ctx, name) }
}

// ExecVM runs a command in a guest. The stream carries the frames of
// agentrpc's exec protocol. The caller closes it, which ends the command.
func (c *Client) ExecVM(ctx context.Context, name string, req api.Exec) (*Stream, error) {
	r, err := request(ctx, http.MethodPost, path("vms", name, "exec"), req)
	if err != nil {
		return nil, err
	}
	stream, tried, err := direct(ctx, name, c.channel(name), func(ctx context.Context, _ api.Channel, g guest.Client) (net.Conn, error) {
		return g.Exec(ctx, agentrpc.ExecRequest(req))
	})
	if tried {
		return stream, err
	}
	return c.upgrade(r, api.ExecProtocol)
}

// DialVM connects to a port of the agent in a guest (agentrpc.SSHPort, …). The
// caller closes the stream.
func (c *Client) DialVM(ctx context.Context, name string, port uint32) (*Stream, error) {
	stream, tried, err := direct(ctx, name, c.channel(name), func(ctx context.Context, _ api.Channel, g guest.Client) (net.Conn, error) {
		return g.Dial(ctx, port)
	})
	if tried {
		return stream, err
	}
	return c.relayedDial(ctx, name, port)
}

// ErrNoCopy says that a VM has no agentrpc.CopyProtocol for this process: its
// agent is of an older build, or is reached only through the daemon.
var ErrNoCopy = guest.ErrNoCopy

// CopyVM begins a copy to or from a guest. The stream carries
// agentrpc.CopyProtocol. The caller closes it, which ends the copy.
func (c *Client) CopyVM(ctx context.Context, name string, req agentrpc.CopyRequest) (*Stream, error) {
	stream, tried, err := direct(ctx, name, c.channel(name), func(ctx context.Context, _ api.Channel, g guest.Client) (net.Conn, error) {
		return g.Copy(ctx, req)
	})
	if !tried {
		return nil, ErrNoCopy
	}
	return stream, err
}

// AttachSession connects to a session once: an Attachment does so again where
// that breaks. The stream carries the frames of agentrpc's attach protocol. The
// caller closes it.
func (c *Client) AttachSession(ctx context.Context, vm, name string, req api.AttachSession) (*Stream, error) {
	where := func(ctx context.Context) (api.Channel, error) {
		return call[api.Channel](ctx, c, http.MethodGet, path("vms", vm, "sessions", name, "channel"), nil)
	}
	stream, tried, err := direct(ctx, vm, where, func(ctx context.Context, at api.Channel, g guest.Client) (net.Conn, error) {
		return g.AttachSession(ctx, at.Session, agentrpc.SessionAttach(req))
	})
	if tried {
		return stream, err
	}
	return c.relayedAttach(ctx, vm, name, req)
}
