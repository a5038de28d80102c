package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/web/gate"
)

// The browser's end of an attachment is a WebSocket. A binary message of the console
// is a stream's number (1: stdout, 2: stderr) and output; one of the browser is input.
// Text messages are terminalSays and browserSays.
const (
	maxInput = 64 << 10 // bytes of a message of the browser
	// inputRate and inputBurst are in bytes, messageRate and messageBurst in messages. A
	// browser that sends faster waits.
	inputRate, inputBurst     = 1 << 20, 4 * maxInput
	messageRate, messageBurst = 500, 1000
	// outputWindow is how much output may be on its way to the browser's terminal, which
	// tells what it has drawn: a guest that floods it waits.
	outputWindow = 512 << 10
	maxOutput    = 32 << 10 // bytes of a message of the console
)

// terminalSays is a message of the console.
type terminalSays struct {
	Type    string `json:"type"` // greeted, lost, broken, ended, refused
	TTY     bool   `json:"tty,omitempty"`
	Modes   []byte `json:"modes,omitempty"`
	Stdout  int64  `json:"stdout"`
	Stderr  int64  `json:"stderr"`
	Bytes   int64  `json:"bytes,omitempty"` // lost
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// browserSays is a message of the browser: what it has drawn, or its terminal's size.
type browserSays struct {
	Drawn int64  `json:"drawn"`
	Rows  uint16 `json:"rows"`
	Cols  uint16 `json:"cols"`
}

// terminal is one attachment of a browser.
type terminal struct {
	conn       *websocket.Conn
	attachment *client.Attachment
	readOnly   bool

	mu    sync.Mutex
	sent  int64
	drawn int64
	room  chan struct{} // closed, and made again, when the browser has drawn
}

// attach is the WebSocket of a terminal, which the gate has let through.
func (c *Console) attach(w http.ResponseWriter, r *http.Request) {
	release, ok := c.streams.take(gate.Token(r.Context()))
	if !ok {
		http.Error(w, "Too many terminals are open.", http.StatusServiceUnavailable)
		return
	}
	defer release()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxInput)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	query := r.URL.Query()
	t := &terminal{conn: conn, readOnly: query.Get("read-only") != "", room: make(chan struct{})}
	t.attachment = c.api.Attach(r.PathValue("name"), r.PathValue("session"), t.options(ctx, query))
	var reading sync.WaitGroup
	defer reading.Wait()
	defer func() { _ = conn.CloseNow() }()
	reading.Go(func() {
		defer cancel()
		t.read(ctx, func(data []byte) error {
			_, err := t.attachment.Write(data)
			return err
		})
	})
	end, err := t.attachment.Run(ctx)
	if ctx.Err() != nil {
		return // the browser or the console has gone
	}
	if t.say(ctx, ending(end, err)) == nil {
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
}

// options are how to attach: from the offsets that a browser had, or with a screenful.
func (t *terminal) options(ctx context.Context, query url.Values) client.AttachOptions {
	o := client.AttachOptions{
		ReadOnly: t.readOnly, Stdout: agentrpc.FromOldest, Stderr: agentrpc.FromOldest, Repaint: true,
		Rows: number16(query, "rows"), Cols: number16(query, "cols"),
		Output: func(stream agentrpc.Stream, p []byte) error { return t.output(ctx, byte(stream)+1, p) },
		Lost:   func(_ agentrpc.Stream, bytes int64) { _ = t.say(ctx, terminalSays{Type: "lost", Bytes: bytes}) },
		Greeted: func(g agentrpc.AttachGreeting) {
			_ = t.say(ctx, terminalSays{Type: "greeted", TTY: g.TTY, Modes: g.Modes, Stdout: g.Stdout, Stderr: g.Stderr})
		},
		Broken: func(err error) { _ = t.say(ctx, terminalSays{Type: "broken", Message: problemOf(err).Message}) },
	}
	if at, err := strconv.ParseInt(query.Get("stdout"), 10, 64); err == nil && at >= 0 {
		o.Stdout, o.Repaint = at, false
	}
	if at, err := strconv.ParseInt(query.Get("stderr"), 10, 64); err == nil && at >= 0 {
		o.Stderr = at
	}
	return o
}

func number16(query url.Values, key string) uint16 {
	n, err := strconv.ParseUint(query.Get(key), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// output sends what the session wrote, once the browser has drawn enough of what was
// sent before. A browser that draws nothing for long is cut.
func (t *terminal) output(ctx context.Context, stream byte, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), maxOutput)
		ctx, cancel := context.WithTimeout(ctx, slowPage)
		err := t.reserve(ctx, int64(n))
		if err == nil {
			err = t.conn.Write(ctx, websocket.MessageBinary, append([]byte{stream}, p[:n]...))
		}
		cancel()
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (t *terminal) reserve(ctx context.Context, n int64) error {
	for {
		t.mu.Lock()
		if t.sent-t.drawn+n <= outputWindow {
			t.sent += n
			t.mu.Unlock()
			return nil
		}
		room := t.room
		t.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read takes what the browser sends until it has gone, or write fails for what is input.
func (t *terminal) read(ctx context.Context, write func([]byte) error) {
	messages, input := rate.NewLimiter(messageRate, messageBurst), rate.NewLimiter(inputRate, inputBurst)
	for messages.Wait(ctx) == nil {
		kind, data, err := t.conn.Read(ctx)
		if err != nil {
			return
		}
		switch {
		case kind == websocket.MessageText:
			err = t.hear(data)
		case t.readOnly:
			err = errReadOnly
		default:
			if err = input.WaitN(ctx, len(data)); err == nil {
				err = write(data)
			}
		}
		if err != nil {
			return
		}
	}
}

var (
	errReadOnly = errors.New("input for a terminal that is only read")
	errMessage  = errors.New("a message that the console does not know")
)

func (t *terminal) hear(data []byte) error {
	var m browserSays
	if err := json.Unmarshal(data, &m); err != nil {
		return errMessage
	}
	t.mu.Lock()
	if m.Drawn < 0 || m.Drawn > t.sent-t.drawn {
		t.mu.Unlock()
		return errMessage
	}
	t.drawn += m.Drawn
	close(t.room)
	t.room = make(chan struct{})
	t.mu.Unlock()
	if m.Rows > 0 && m.Cols > 0 && !t.readOnly {
		t.attachment.Resize(m.Rows, m.Cols)
	}
	return nil
}

func (t *terminal) say(ctx context.Context, m terminalSays) error {
	ctx, cancel := context.WithTimeout(ctx, slowPage)
	defer cancel()
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return t.conn.Write(ctx, websocket.MessageText, data)
}

// ending says how an attachment ended.
func ending(end agentrpc.AttachEnding, err error) terminalSays {
	switch {
	case err != nil:
		p := problemOf(err)
		return terminalSays{Type: "refused", Message: p.Message, Hint: p.Hint}
	case end.Reason == agentrpc.EndExited && end.Signal != "":
		return terminalSays{Type: "ended", Message: "Ended by SIG" + end.Signal + "."}
	case end.Reason == agentrpc.EndExited:
		return terminalSays{Type: "ended", Message: "Exited with status " + strconv.Itoa(end.ExitCode) + "."}
	default:
		return terminalSays{Type: "ended", Message: "Detached: " + end.Reason + "."}
	}
}
