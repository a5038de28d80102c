// Package guest is the host's side of the agent channel, by Firecracker's
// hybrid vsock: github.com/firecracker-microvm/firecracker/blob/main/docs/vsock.md.
package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/stream"
)

// maxAnswer bounds the answer to CONNECT: "OK ", a port, a newline.
const maxAnswer = 32

// AnswerTimeout bounds how long an agent may take to answer a request, or to begin a
// stream. A guest under software emulation that is busy can be slow.
const AnswerTimeout = 20 * time.Second

// Dial connects to port in the guest. ctx bounds the dial only. The error is
// Unavailable when the VM or its agent does not answer.
func (c Client) Dial(ctx context.Context, port uint32) (net.Conn, error) {
	conn, err := statedir.DialUnix(ctx, c.Socket)
	if err != nil {
		return nil, c.unavailable(ctx, err)
	}
	stop := stream.Interrupt(ctx, conn.SetDeadline)
	err = connect(conn, port)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, c.unavailable(ctx, errors.Join(err, conn.Close()))
	}
	return conn, nil
}

func (c Client) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = ctx.Err()
	}
	if errors.Is(err, context.Canceled) {
		return fault.Wrap(fault.Canceled, err, "connect to the guest")
	}
	hint := fault.Hintf("look at its console: %s", act.VMLogs.On(c.VM))
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Unavailable, "the guest does not answer in time").WithHint("%s", hint)
	}
	return fault.Wrap(fault.Unavailable, err, "the guest does not answer").WithHint("%s", hint)
}

// connect says CONNECT and reads the answer byte by byte: what follows it
// belongs to the stream.
func connect(conn io.ReadWriter, port uint32) error {
	if _, err := fmt.Fprintf(conn, "CONNECT %d\n", port); err != nil {
		return err
	}
	var answer []byte
	for b := make([]byte, 1); ; answer = append(answer, b[0]) {
		if len(answer) == maxAnswer {
			return fmt.Errorf("unexpected answer %q to CONNECT", answer)
		}
		if _, err := io.ReadFull(conn, b); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("nothing listens on port %d in the guest", port)
			}
			return err
		}
		if b[0] == '\n' {
			break
		}
	}
	local, ok := strings.CutPrefix(string(answer), "OK ")
	if _, err := strconv.ParseUint(local, 10, 32); !ok || err != nil {
		return fmt.Errorf("unexpected answer %q to CONNECT", answer)
	}
	return nil
}
