package guest

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

// workspaceIdle bounds how long the transfer of a work tree may stand still:
// git in a slow guest reads a large one without a word.
const workspaceIdle = 15 * time.Minute

// Workspace begins one transfer of a work tree and returns the connection,
// upgraded to agentrpc.WorkspaceProtocol. It ends when ctx does, or when nothing
// moves for 15 minutes; the caller closes it.
func (c Client) Workspace(ctx context.Context, req agentrpc.WorkspaceRequest) (io.ReadWriteCloser, error) {
	conn, resp, err := c.upgrade(ctx, agentrpc.PathWorkspace, agentrpc.WorkspaceProtocol, req, refusal)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &transfer{conn: conn, in: resp.in, stop: stop}, nil
}

// transfer is a connection that breaks off when nothing moves on it.
type transfer struct {
	conn net.Conn
	in   io.Reader
	stop func() bool
}

func (t *transfer) Read(p []byte) (int, error) {
	_ = t.conn.SetReadDeadline(time.Now().Add(workspaceIdle))
	return t.in.Read(p)
}

func (t *transfer) Write(p []byte) (int, error) {
	_ = t.conn.SetWriteDeadline(time.Now().Add(workspaceIdle))
	return t.conn.Write(p)
}

func (t *transfer) Close() error {
	if !t.stop() {
		return nil // ctx has closed it
	}
	return t.conn.Close()
}
