package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/seriallink"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/stream"
)

const (
	// maxConnectLine is the longest "CONNECT <port>\n", as in Firecracker.
	maxConnectLine = 32
	// connectLimit bounds how long a client may take over that line.
	connectLimit = 5 * time.Second
	// linkWait is how long a client is kept while the agent has no link.
	linkWait = 2 * time.Second
	// dialLimit bounds the guest's answer to one CONNECT.
	dialLimit = 30 * time.Second
	// maxClients bounds the host's connections under way, as Firecracker does.
	maxClients = 1023
	// firstHostPort is the first number told in "OK <number>\n".
	firstHostPort = 1 << 30
)

// hybridVsock serves Firecracker's hybrid vsock contract over a link to the
// guest: https://github.com/firecracker-microvm/firecracker/blob/main/docs/vsock.md.
// Host connections come to the socket at path and name a port of the guest;
// the guest's connections to port P of the host go to the socket path_P.
type hybridVsock struct {
	path     string
	listener *statedir.Listener
	log      *slog.Logger
	ports    atomic.Uint32
	clients  chan struct{}

	mu   sync.Mutex
	link *seriallink.Link
	up   chan struct{} // closed while there is a link

	end  context.CancelFunc
	work sync.WaitGroup
}

// serveVsock listens at path and keeps a link over the line that dial opens,
// until close; ctx's end does not matter.
func serveVsock(ctx context.Context, path string, dial func(context.Context) (net.Conn, error), log *slog.Logger) (*hybridVsock, error) {
	listener, err := statedir.ListenUnix(path)
	if err != nil {
		return nil, fmt.Errorf("listen on the agent channel's socket: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v := &hybridVsock{
		path: path, listener: listener, log: log,
		clients: make(chan struct{}, maxClients), up: make(chan struct{}), end: cancel,
	}
	v.work.Go(func() { v.keepLink(ctx, dial) })
	v.work.Go(func() { v.accept(ctx) })
	return v, nil
}

// close ends all connections and waits for them.
func (v *hybridVsock) close() {
	v.end()
	_ = v.listener.Close()
	v.work.Wait()
}

// keepLink makes a link again whenever one ends: the guest's agent may be
// started again, and a guest's nonsense only loses the session.
func (v *hybridVsock) keepLink(ctx context.Context, dial func(context.Context) (net.Conn, error)) {
	const shortest, longest = 5 * time.Millisecond, time.Second
	pauses := pace.NewBackoff(shortest, longest)
	for ctx.Err() == nil {
		began := time.Now()
		if err := v.oneLink(ctx, dial); err != nil && ctx.Err() == nil {
			v.log.Debug("the agent channel has no link", "err", err)
		}
		if time.Since(began) > longest {
			pauses.Reset()
		}
		_ = pauses.Pause(ctx) // the loop sees ctx's end
	}
}

func (v *hybridVsock) oneLink(ctx context.Context, dial func(context.Context) (net.Conn, error)) error {
	line, err := dial(ctx)
	if err != nil {
		return err
	}
	link, err := seriallink.Host(ctx, line)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = link.Close() })
	defer stop()
	v.mu.Lock()
	v.link = link
	close(v.up)
	v.mu.Unlock()
	err = link.Serve(ctx, v.fromGuest)
	v.mu.Lock()
	v.link, v.up = nil, make(chan struct{})
	v.mu.Unlock()
	return err
}

// fromGuest connects a stream of the guest to the host's socket for its port.
func (v *hybridVsock) fromGuest(ctx context.Context, port uint32) func(net.Conn) {
	dialing, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	conn, err := statedir.DialUnix(dialing, v.path+"_"+strconv.FormatUint(uint64(port), 10))
	if err != nil {
		return nil
	}
	// The link ends its streams itself, after what came through it is read.
	ctx = context.WithoutCancel(ctx)
	return func(guest net.Conn) { _ = stream.Join(ctx, guest, conn) }
}

func (v *hybridVsock) accept(ctx context.Context) {
	for {
		conn, err := v.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		if err != nil { // out of descriptors, for now
			v.log.Warn("accept on the agent channel", "err", err)
			_ = pace.Pause(ctx, linkWait) // the loop sees ctx's end
			continue
		}
		select {
		case v.clients <- struct{}{}:
			v.work.Go(func() {
				defer func() { <-v.clients }()
				v.fromHost(ctx, conn)
			})
		default:
			_ = conn.Close() // over the bound: closed without a word, as when refused
		}
	}
}

// fromHost serves one client of the socket. A refusal is a close without a word.
func (v *hybridVsock) fromHost(ctx context.Context, conn *net.UnixConn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if conn.SetReadDeadline(time.Now().Add(connectLimit)) != nil {
		return
	}
	port, err := readConnect(conn)
	if err != nil || conn.SetReadDeadline(time.Time{}) != nil {
		return
	}
	guest, err := v.dial(ctx, port)
	if err != nil {
		v.log.Debug("connection to the guest refused", "port", port, "err", err)
		return
	}
	if _, err := fmt.Fprintf(conn, "OK %d\n", firstHostPort+v.ports.Add(1)-1); err != nil {
		_ = guest.Close()
		return
	}
	_ = stream.Join(ctx, guest, conn) // the failure of either is of no interest here
}

func (v *hybridVsock) dial(ctx context.Context, port uint32) (net.Conn, error) {
	v.mu.Lock()
	up := v.up
	v.mu.Unlock()
	timer := time.NewTimer(linkWait)
	defer timer.Stop()
	select {
	case <-up:
	case <-timer.C:
		return nil, seriallink.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	v.mu.Lock()
	link := v.link
	v.mu.Unlock()
	if link == nil {
		return nil, seriallink.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	return link.Dial(ctx, port)
}

// readConnect reads "CONNECT <port>\n" byte by byte, so that nothing after it
// is taken. The word's case does not matter.
func readConnect(r io.Reader) (uint32, error) {
	var line []byte
	var b [1]byte
	for {
		if len(line) == maxConnectLine {
			return 0, fmt.Errorf("CONNECT line over %d bytes", maxConnectLine)
		}
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, err
		}
		line = append(line, b[0])
		if b[0] == '\n' {
			break
		}
	}
	word, number, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	if !ok || !strings.EqualFold(word, "CONNECT") {
		return 0, fmt.Errorf("unexpected line %q", line)
	}
	port, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("unexpected port %q", number)
	}
	return uint32(port), nil
}
