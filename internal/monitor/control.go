package monitor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/plain"
)

const (
	// maxAgents bounds the control streams open at once; a guest needs one.
	maxAgents = 4
	// maxWord and maxText bound what of a guest's words is kept, in bytes.
	maxWord = 128
	maxText = 4 << 10
	maxName = 256 // of a name in the DNS
	// sendQueue is how many messages wait for a guest that does not read.
	sendQueue = 16
	// messageBurst and messagePause bound what of a guest's messages is read, on
	// all its streams together: more of them wait in the guest.
	messageBurst = 64
	messagePause = 50 * time.Millisecond
	// listeningPause keeps a guest from having its ports opened and closed as
	// fast as it can talk.
	listeningPause = 50 * time.Millisecond
)

// agentConn is one control stream of the guest's agent.
type agentConn struct {
	conn net.Conn
	out  chan agentrpc.HostMessage
}

// agentInput is what came in on a control stream; a nil message is its end.
type agentInput struct {
	from    *agentConn
	message *agentrpc.GuestMessage
}

// serveAgents accepts the guest's control streams until the listener is
// closed, and passes on what they say until ctx ends. All comes from the guest:
// nothing of it is trusted.
func serveAgents(ctx context.Context, listener net.Listener, to chan<- agentInput, log *slog.Logger) {
	var streams sync.WaitGroup
	defer streams.Wait()
	slots := make(chan struct{}, maxAgents)
	turns := pace.New(messageBurst, messagePause)
	for {
		conn, err := acceptNext(ctx, listener, log)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				log.Error("the agent's control port is gone", "err", err)
			}
			return
		}
		select {
		case slots <- struct{}{}:
			streams.Go(func() {
				defer func() { <-slots }()
				serveAgent(ctx, conn, turns, to, log)
			})
		default:
			_ = conn.Close() // the guest has enough of them
		}
	}
}

func serveAgent(ctx context.Context, conn net.Conn, turns *pace.Pace, to chan<- agentInput, log *slog.Logger) {
	a := &agentConn{conn: conn, out: make(chan agentrpc.HostMessage, sendQueue)}
	ctx, cancel := context.WithCancel(ctx)
	var writer sync.WaitGroup
	writer.Go(func() { a.write(ctx) })
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		cancel()
		stop()
		_ = conn.Close()
		writer.Wait()
	}()
	pass := func(m *agentrpc.GuestMessage) bool {
		select {
		case to <- agentInput{a, m}:
			return true
		case <-ctx.Done():
			return false
		}
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4096), agentrpc.MaxLine)
	for turns.Wait(ctx) && lines.Scan() {
		var m agentrpc.GuestMessage
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			log.Debug("the agent sent a malformed message", "err", err)
			break
		}
		trim(&m)
		if !pass(&m) || m.Listening != nil && pace.Pause(ctx, listeningPause) != nil {
			return
		}
	}
	pass(nil)
}

func (a *agentConn) write(ctx context.Context) {
	enc := json.NewEncoder(a.conn)
	for {
		select {
		case m := <-a.out:
			if enc.Encode(m) != nil {
				_ = a.conn.Close()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// trim bounds a guest's words, and makes them printable.
func trim(m *agentrpc.GuestMessage) {
	for _, s := range words(m) {
		*s = plain.Line(*s, maxWord)
	}
	if m.Ready != nil {
		m.Ready.Notes = m.Ready.Notes[:min(len(m.Ready.Notes), agentrpc.MaxNotes)]
		for i, note := range m.Ready.Notes {
			m.Ready.Notes[i] = plain.Line(note, agentrpc.MaxNote)
		}
	}
	if m.EntrypointHealth != nil {
		m.EntrypointHealth.Output = plain.Lines(m.EntrypointHealth.Output, agentrpc.MaxHealthOutput)
	}
	if m.Failed != nil {
		m.Failed.Message = plain.Line(m.Failed.Message, maxText)
	}
}

func words(m *agentrpc.GuestMessage) []*string {
	switch {
	case m.Hello != nil:
		return []*string{&m.Hello.Build, &m.Hello.Kernel}
	case m.Stage != nil:
		return []*string{&m.Stage.Name}
	case m.Ready != nil:
		return []*string{&m.Ready.Init, &m.Ready.Generation, &m.Ready.BootID}
	case m.Entrypoint != nil:
		return []*string{(*string)(&m.Entrypoint.State), &m.Entrypoint.Error}
	case m.Failed != nil:
		return []*string{&m.Failed.Stage}
	default:
		return nil
	}
}
