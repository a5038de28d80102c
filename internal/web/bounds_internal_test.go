package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// pipes is a listener of connections in memory, which have the clock of a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7777} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours, nil
}

// served serves a handler as the console's are, until the bubble's test ends.
func served(t *testing.T, h http.HandlerFunc) *pipes {
	t.Helper()
	p := newPipes()
	srv := newServer(t.Context(), h, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(p) }()
	t.Cleanup(func() {
		if err := errors.Join(srv.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return p
}

// Whoever says nothing, or little by little, holds no connection for long.
func TestSlowRequestsAreCut(t *testing.T) {
	for name, c := range map[string]struct {
		sends string
		after time.Duration
	}{
		"half a header":     {"GET / HTTP/1.1\r\nHost: x\r\n", headerTime},
		"half a body":       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", readTime},
		"nothing any more":  {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", idleTime},
		"nothing, at first": {"", headerTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := served(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
				conn, err := p.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				go func() { _, _ = io.WriteString(conn, c.sends) }()
				began := time.Now()
				_, _ = io.Copy(io.Discard, conn) // until it is cut
				if took := time.Since(began); took < c.after || took > c.after+time.Second {
					t.Errorf("cut after %s; want %s", took, c.after)
				}
			})
		})
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := served(t, func(http.ResponseWriter, *http.Request) { t.Error("it was taken") })
		conn, err := p.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		const slack = 4 << 10 // net/http's
		go func() {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", maxHeader+slack)+"\r\n\r\n")
		}()
		answer := bufio.NewReader(conn)
		line, err := answer.ReadString('\n')
		defer func() { _, _ = io.Copy(io.Discard, answer) }() // until it is cut
		if err != nil || !strings.Contains(line, "431") {
			t.Errorf("%q, %v", line, err)
		}
	})
}

// spent is how long a terminal takes for what a browser sends at once.
func spent(t *testing.T, kind websocket.MessageType, message string, times int, take func(*terminal, []byte) error) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		read := make(chan struct{})
		p := served(t, func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			conn.SetReadLimit(maxInput)
			term := &terminal{conn: conn, room: make(chan struct{})}
			took := 0
			term.read(r.Context(), func(data []byte) error {
				err := take(term, data)
				if took++; took == times {
					close(read)
				}
				return err
			})
		})
		conn, _, err := websocket.Dial(t.Context(), "http://x/", &websocket.DialOptions{ //nolint:bodyclose // of a WebSocket it is the connection
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: p.dial}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.CloseNow() }()
		began := time.Now()
		for range times {
			if err := conn.Write(t.Context(), kind, []byte(message)); err != nil {
				t.Fatal(err)
			}
		}
		<-read
		took = time.Since(began)
	})
	return took
}

func TestABrowserThatSendsFastWaits(t *testing.T) {
	take := func(*terminal, []byte) error { return nil }
	if took := spent(t, websocket.MessageBinary, "x", messageBurst+2*messageRate, take); took < 1900*time.Millisecond {
		t.Errorf("many messages took %s", took)
	}
	const pieces = (inputBurst + 2*inputRate) / maxInput
	if took := spent(t, websocket.MessageBinary, strings.Repeat("x", maxInput), pieces, take); took < 1900*time.Millisecond {
		t.Errorf("much input took %s", took)
	}
}

// A terminal that draws nothing gets no more than a window of output, and is cut.
func TestOutputWaitsForTheTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &terminal{room: make(chan struct{})}
		if err := term.reserve(t.Context(), outputWindow); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), slowPage)
		defer cancel()
		if err := term.reserve(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("over the window: %v", err)
		}
		if err := term.hear([]byte(`{"drawn":1}`)); err != nil {
			t.Fatal(err)
		}
		if err := term.reserve(t.Context(), 1); err != nil {
			t.Errorf("once it has drawn: %v", err)
		}
	})
}

// deaf is the answer to a page that reads nothing.
type deaf struct {
	http.ResponseWriter
	deadline time.Time
}

func (d *deaf) SetWriteDeadline(at time.Time) error { d.deadline = at; return nil }
func (d *deaf) FlushError() error                   { return nil }

func (d *deaf) Write([]byte) (int, error) {
	if d.deadline.IsZero() {
		return 0, errors.New("it would wait for ever")
	}
	time.Sleep(time.Until(d.deadline)) //nolint:forbidigo // the clock of the bubble
	return 0, context.DeadlineExceeded
}

func TestALivePageThatReadsNothingIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deaf{}
		p := &livePage{w: w, out: http.NewResponseController(w)}
		began := time.Now()
		if err := p.write("data: x\n\n"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if took := time.Since(began); took != slowPage {
			t.Errorf("cut after %s", took)
		}
	})
}
