package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/agent/configure"
	"github.com/bangervm/banger/internal/agent/sockets"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/pace"
)

// sendLimit bounds one message to the host: a host that takes none is as good
// as gone.
const sendLimit = 10 * time.Second

// control is the control stream, while there is one.
type control struct {
	mu   sync.Mutex
	conn net.Conn
}

func (c *control) set(conn net.Conn) {
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
}

// end forgets a stream that has ended, unless another has taken its place: a new session
// with the host may begin while the one before still ends.
func (c *control) end(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == conn {
		c.conn = nil
	}
}

// send sends m, or drops it when the host is not there: it then asks, on the
// next stream's Hello.
func (c *control) send(m agentrpc.GuestMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return
	}
	data, err := json.Marshal(m)
	if err != nil {
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(sendLimit))
	if _, err := c.conn.Write(append(data, '\n')); err != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// keepControl keeps a control stream to the host until ctx ends.
func (a *agent) keepControl(ctx context.Context, dial func(context.Context, uint32) (net.Conn, error)) {
	pauses := pace.NewBackoff(firstRedial, lastRedial)
	for ctx.Err() == nil {
		conn, err := dial(ctx, agentrpc.ControlPort)
		if err == nil {
			pauses.Reset()
			if err := a.converse(ctx, conn); err != nil {
				a.log.Warn("the control stream", "err", err)
			}
		}
		_ = pauses.Pause(ctx) // the loop sees ctx's end
	}
}

// converse says hello and obeys until the stream ends.
func (a *agent) converse(ctx context.Context, conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	a.ctl.set(conn)
	defer a.ctl.end(conn)
	kernel := fact("/proc/sys/kernel/osrelease")
	ready := a.ready.Load()
	a.ctl.send(agentrpc.GuestMessage{Hello: &agentrpc.Hello{
		Protocol: agentrpc.Version, Build: build(), Kernel: kernel, Configured: ready,
	}})
	if ready {
		a.sendReady()
	}
	var reporting sync.WaitGroup
	defer reporting.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reporting.Go(func() { a.reportListening(ctx) })
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		line, err := readLine(in)
		if err != nil {
			return nil // the stream's end is no error
		}
		var m agentrpc.HostMessage
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("malformed message from the host: %w", err)
		}
		a.obey(ctx, m)
	}
}

// reportListening tells the host what listens, from the time that the guest is
// ready.
func (a *agent) reportListening(ctx context.Context) {
	reporter := sockets.NewReporter(a.owners)
	defer reporter.Close()
	reporter.Run(ctx, a.told.Load, func(l agentrpc.Listening) {
		a.ctl.send(agentrpc.GuestMessage{Listening: &l})
	})
}

// readLine reads one line of at most agentrpc.MaxLine bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > agentrpc.MaxLine {
			return nil, fmt.Errorf("a line of over %d bytes", agentrpc.MaxLine)
		}
		line = append(line, part...)
		if err == nil {
			return bytes.TrimSuffix(line, []byte{'\n'}), nil
		}
		if err != bufio.ErrBufferFull { //nolint:errorlint // ReadSlice returns it bare, and nothing wraps it
			return nil, err
		}
	}
}

func (a *agent) obey(ctx context.Context, m agentrpc.HostMessage) {
	switch {
	case m.Configure != nil:
		a.configure(ctx, m.Configure)
	case m.Shutdown != nil:
		go a.shutdown(ctx, m.Shutdown.Kind)
	case m.Resumed != nil:
		a.resumed(m.Resumed)
	case m.SetClock != nil:
		if err := configure.SetClock(m.SetClock.UnixNano); err != nil {
			a.log.Warn("the host's clock", "err", err)
		}
	}
}

func fact(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
