package guest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/stream"
)

// maxBody bounds what is read of a guest's answer, in bytes; maxHead its head.
const (
	maxBody = 64 << 10
	maxHead = 16 << 10
)

// Client talks to one guest's agent. It is safe for concurrent use; every call
// is its own connection.
type Client struct {
	VM     string // its name or id, for hints
	Socket string // the VM's hybrid vsock socket
	Token  string // of the agent's HTTP API
}

// Health returns how the guest is, by its own word: what it says is bounded,
// printable, and could be true. ctx bounds the whole. The error is Unavailable
// when it does not answer, or its answer is malformed.
func (c Client) Health(ctx context.Context) (agentrpc.Health, error) {
	health, err := ask[agentrpc.Health](ctx, c, http.MethodGet, agentrpc.PathHealth, nil, maxBody)
	if err != nil {
		return agentrpc.Health{}, err
	}
	return plausible(health)
}

// Exec starts a command in the guest and returns the connection, upgraded to
// agentrpc.ExecProtocol: the caller exchanges frames on it and closes it. ctx
// bounds the start only.
func (c Client) Exec(ctx context.Context, req agentrpc.ExecRequest) (net.Conn, error) {
	conn, resp, err := c.upgrade(ctx, agentrpc.PathExec, agentrpc.ExecProtocol, req, refusal)
	if err != nil {
		return nil, err
	}
	return stream.Buffered(conn, resp.in), nil
}

// upgrade asks for a protocol on its own connection, which the caller closes.
// ctx bounds the answer, a refusal's body too; refuse makes the error of that.
func (c Client) upgrade(ctx context.Context, path, protocol string, req any, refuse func(*answer) error) (net.Conn, *answer, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, nil, err
	}
	conn, resp, err := c.do(ctx, http.MethodPost, path, protocol, body)
	if err != nil {
		return nil, nil, err
	}
	if resp.status == http.StatusSwitchingProtocols && resp.upgrade == protocol {
		return conn, resp, nil
	}
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	err = refuse(resp)
	if !stop() {
		err = c.unavailable(ctx, ctx.Err())
	}
	return nil, nil, errors.Join(err, conn.Close())
}

// answer is the agent's answer to a request; in is what it is read from.
type answer struct {
	status  int
	text    string
	upgrade string
	body    io.Reader
	in      *bufio.Reader
}

// do sends one request on its own connection and reads the answer's head.
// On success the caller closes the connection.
func (c Client) do(ctx context.Context, method, path, upgrade string, body []byte) (net.Conn, *answer, error) {
	conn, err := c.Dial(ctx, agentrpc.APIPort)
	if err != nil {
		return nil, nil, err
	}
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	resp, err := c.exchange(ctx, conn, method, path, upgrade, body)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, nil, c.unavailable(ctx, errors.Join(err, conn.Close()))
	}
	return conn, resp, nil
}

func (c Client) exchange(ctx context.Context, conn net.Conn, method, path, upgrade string, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://guest"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if upgrade != "" {
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", upgrade)
	}
	// One write for head and body: each costs the guest an interrupt.
	var out bytes.Buffer
	if err := req.Write(&out); err != nil {
		return nil, err
	}
	if _, err := conn.Write(out.Bytes()); err != nil {
		return nil, err
	}
	head := &io.LimitedReader{R: conn, N: maxHead}
	in := bufio.NewReader(head)
	resp, err := http.ReadResponse(in, req) //nolint:bodyclose // closing the connection is what ends it
	if err != nil {
		return nil, fmt.Errorf("read the agent's answer: %w", brief(err))
	}
	head.N = 1 << 62 // the head is read; bodies have their own bound
	return &answer{
		status: resp.StatusCode, text: resp.Status, upgrade: resp.Header.Get("Upgrade"), body: resp.Body, in: in,
	}, nil
}

// ErrNoCopy says that the agent is of a build before agentrpc.CopyProtocol.
var ErrNoCopy = errors.New("the agent does not know " + agentrpc.CopyProtocol)

// Copy begins a copy and returns the connection, upgraded to
// agentrpc.CopyProtocol, which the caller closes. ctx bounds the start only.
// The error is ErrNoCopy where the agent is of an older build.
func (c Client) Copy(ctx context.Context, req agentrpc.CopyRequest) (net.Conn, error) {
	conn, resp, err := c.upgrade(ctx, agentrpc.PathCopy, agentrpc.CopyProtocol, req, refusal)
	if errors.Is(err, errOlder404) {
		return nil, ErrNoCopy
	}
	if err != nil {
		return nil, err
	}
	return stream.Buffered(conn, resp.in), nil
}

// errOlder404 is the answer to a path that the agent does not know.
var errOlder404 = errors.New("it is of an older build")

// refusal is the agent's error as a fault: its message is the guest's word.
func refusal(resp *answer) error {
	var body struct {
		Code    fault.Code `json:"code"`
		Message string     `json:"message"`
	}
	err := json.NewDecoder(io.LimitReader(resp.body, maxBody)).Decode(&body)
	if err != nil && resp.status == http.StatusNotFound {
		return fault.Wrap(fault.Internal, errOlder404, "the guest's agent answered 404")
	}
	if err != nil || body.Message == "" {
		return fault.New(fault.Internal, "the guest's agent answered %s", plain.Line(resp.text, maxName))
	}
	switch body.Code {
	case fault.NotFound, fault.Conflict, fault.Invalid, fault.Busy, fault.Unavailable, fault.PermissionDenied, fault.Canceled:
	default:
		body.Code = fault.Internal
	}
	return fault.New(body.Code, "the guest's agent: %s", plain.Line(body.Message, maxMessage))
}
