package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/boundlog"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/vmm"
)

// A guest may say each message as often as it likes. What that costs the host
// is bounded: lines in the log, events to bangerd, messages read, work on its
// ports.
const (
	floodTime     = 3 * time.Minute
	maxFloodLines = 35 // five messages of the log at most, a burst and one a minute each
	maxFloodRead  = messageBurst + int(floodTime/messagePause) + maxAgents
	maxFloodEvent = eventBurst + int(floodTime/eventPause) + 1
)

// floods are all that a guest can say on its control stream, each in two guises
// that take turns, so that every one is a change.
func floods() map[string][2]agentrpc.GuestMessage {
	hello := func(h agentrpc.Hello) agentrpc.GuestMessage { return agentrpc.GuestMessage{Hello: &h} }
	long := strings.Repeat("x", 2_000)
	return map[string][2]agentrpc.GuestMessage{
		"hello": {hello(agentrpc.Hello{Protocol: agentrpc.Version, Build: long}), hello(agentrpc.Hello{Protocol: agentrpc.Version, Kernel: long})},
		"hello, configured": {
			hello(agentrpc.Hello{Protocol: agentrpc.Version, Build: "a", Configured: true}),
			hello(agentrpc.Hello{Protocol: agentrpc.Version, Build: "b", Configured: true}),
		},
		"hello of another protocol": {hello(agentrpc.Hello{Protocol: 999}), hello(agentrpc.Hello{})},
		"stage":                     {{Stage: &agentrpc.Stage{Name: "a"}}, {Stage: &agentrpc.Stage{Name: long}}},
		"ready":                     {{Ready: &agentrpc.Ready{Init: "a"}}, {Ready: &agentrpc.Ready{Init: "b"}}},
		"failed":                    {{Failed: &agentrpc.Failed{Stage: long, Message: long}}, {Failed: &agentrpc.Failed{}}},
		"listening":                 {{Listening: &agentrpc.Listening{}}, {Listening: &agentrpc.Listening{Sockets: []agentrpc.Socket{{Proto: "tcp", Port: 1}}}}},
		"going down and hello":      {{GoingDown: &agentrpc.GoingDown{}}, hello(agentrpc.Hello{Protocol: agentrpc.Version, Configured: true})},
		"nothing":                   {{}, {}},
	}
}

func TestAFloodOfMessagesCostsLittle(t *testing.T) {
	for name, pair := range floods() {
		for _, reads := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/reads=%v", name, reads), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { flood(t, pair, reads) })
			})
		}
	}
}

// flood has a guest that was ready say the pair again and again, on one stream
// after another.
func flood(t *testing.T, pair [2]agentrpc.GuestMessage, reads bool) {
	var out bytes.Buffer
	r := newRig(t)
	r.log = slog.New(boundlog.NewHandler(slog.NewTextHandler(&out, nil)))
	r.run()
	r.beReady()
	ctx, end := context.WithTimeout(t.Context(), floodTime)
	defer end()
	guests := newPipes()
	served := make(chan struct{})
	go func() {
		defer close(served)
		serveAgents(ctx, guests, r.agents, r.log)
	}()
	events := make(chan int)
	go func() { events <- countEvents(ctx, r.board) }()
	written := shout(ctx, guests, pair, reads)
	n := <-events
	_ = guests.Close()
	<-served
	r.last().End(vmm.Exit{Cause: vmm.GuestOff})
	<-r.exited
	t.Logf("%d messages written, %d events, %d bytes of log", written, n, out.Len())
	if written < 50 && pair[0].Hello == nil {
		t.Errorf("only %d messages: that is no flood", written)
	}
	if lines := strings.Count(out.String(), "\n"); lines > maxFloodLines {
		t.Errorf("%d lines in the log:\n%.2000s", lines, out.String())
	}
	if written > maxFloodRead {
		t.Errorf("%d messages were read", written)
	}
	if n > maxFloodEvent {
		t.Errorf("%d events", n)
	}
	if heard := len(r.ports.heard); heard > maxFloodRead {
		t.Errorf("the ports heard %d times", heard)
	}
}

// shout writes messages until ctx ends, and returns how many were taken.
func shout(ctx context.Context, guests *pipes, pair [2]agentrpc.GuestMessage, reads bool) int {
	written := 0
	for ctx.Err() == nil {
		conn := guests.dial(ctx)
		if conn == nil {
			break
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		if reads {
			go func() { _, _ = bytes.NewBuffer(nil).ReadFrom(conn) }()
		}
		for _, m := range []agentrpc.GuestMessage{hello(), pair[0]} {
			_ = json.NewEncoder(conn).Encode(m)
		}
		for i := 1; json.NewEncoder(conn).Encode(pair[i%2]) == nil; i++ {
			written++
		}
		stop()
		_ = conn.Close()
		_ = pace.Pause(ctx, time.Millisecond)
	}
	return written
}

func hello() agentrpc.GuestMessage {
	return agentrpc.GuestMessage{Hello: &agentrpc.Hello{Protocol: agentrpc.Version, Configured: true}}
}

// countEvents is a watcher as bangerd is one.
func countEvents(ctx context.Context, b *board) int {
	w := &countingWriter{}
	watch(w, (&http.Request{}).WithContext(ctx), b)
	return w.events
}

// pipes is a listener whose connections are in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) dial(ctx context.Context) net.Conn {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours
	case <-ctx.Done():
		return nil
	}
}

// Accept is net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener.
func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

// Addr is net.Listener.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "guest", Net: "unix"} }

// countingWriter counts the events that a watcher is sent.
type countingWriter struct {
	header http.Header
	events int
}

// Header is http.ResponseWriter.
func (w *countingWriter) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// Write is http.ResponseWriter.
func (w *countingWriter) Write(p []byte) (int, error) {
	w.events++
	return len(p), nil
}

// WriteHeader is http.ResponseWriter.
func (w *countingWriter) WriteHeader(int) {}

// FlushError is for http.ResponseController.
func (w *countingWriter) FlushError() error { return nil }

// SetWriteDeadline is for http.ResponseController.
func (w *countingWriter) SetWriteDeadline(time.Time) error { return nil }
