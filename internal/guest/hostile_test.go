package guest_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/guest"
)

// Bounds of what a call may cost whatever its guest answers.
const (
	// maxTaken is how much may be read of one answer, in bytes: the largest that
	// an agent gives, were it in chunks of one byte, and what sockets hold.
	maxTaken   = 6<<20 + 1<<20
	maxErrText = 5 << 10
	// maxAllocated bounds the memory of one call, in bytes: an answer's text, that
	// text as it grew, and what was made of it.
	maxAllocated = 16 << 20
)

// guestCalls are all questions that the host asks of an agent.
func guestCalls() map[string]func(context.Context, guest.Client) error {
	end := func(conn io.Closer, err error) error {
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	return map[string]func(context.Context, guest.Client) error{
		"health":    func(ctx context.Context, c guest.Client) error { _, err := c.Health(ctx); return err },
		"owner":     func(ctx context.Context, c guest.Client) error { _, err := c.SocketOwner(ctx, "tcp", 1); return err },
		"processes": func(ctx context.Context, c guest.Client) error { _, err := c.Processes(ctx); return err },
		"exec": func(ctx context.Context, c guest.Client) error {
			return end(c.Exec(ctx, agentrpc.ExecRequest{Command: []string{"true"}}))
		},
		"dial": func(ctx context.Context, c guest.Client) error {
			return end(c.DialGuest(ctx, agentrpc.DialRequest{Network: "tcp", Address: "127.0.0.1:1"}))
		},
		"workspace": func(ctx context.Context, c guest.Client) error {
			return end(c.Workspace(ctx, agentrpc.WorkspaceRequest{}))
		},
		"attach": func(ctx context.Context, c guest.Client) error {
			return end(c.AttachSession(ctx, "x", agentrpc.SessionAttach{}))
		},
		"sessions": func(ctx context.Context, c guest.Client) error { _, err := c.Sessions(ctx); return err },
		"start": func(ctx context.Context, c guest.Client) error {
			_, err := c.StartSession(ctx, agentrpc.SessionStart{})
			return err
		},
		"stop": func(ctx context.Context, c guest.Client) error {
			_, err := c.StopSession(ctx, "x", agentrpc.SessionStop{})
			return err
		},
		"signal": func(ctx context.Context, c guest.Client) error {
			_, err := c.SignalSession(ctx, "x", agentrpc.SessionSignal{})
			return err
		},
		"remove": func(ctx context.Context, c guest.Client) error { return c.RemoveSession(ctx, "x") },
		"send":   func(ctx context.Context, c guest.Client) error { return c.SendSession(ctx, "x", []byte("p"), false) },
		"output": func(ctx context.Context, c guest.Client) error {
			_, err := c.SessionOutput(ctx, "x", guest.OutputQuery{})
			return err
		},
		"follow": func(ctx context.Context, c guest.Client) error {
			return c.FollowSessions(ctx, func(agentrpc.SessionEvent) error { return nil })
		},
	}
}

// wrongAnswer is said once, and then its rest until nobody listens. Without a
// rest it is all, unless silent: then nothing more is said, and nothing ends.
type wrongAnswer struct {
	begin, rest string
	silent      bool
}

func wrongAnswers() map[string]wrongAnswer {
	const ok = "HTTP/1.1 200 OK\r\n\r\n"
	long := strings.Repeat(`\u001b[31mx`, 5000)
	return map[string]wrongAnswer{
		"nothing":            {},
		"silence":            {silent: true},
		"half a head":        {begin: "HTTP/1.1 200 OK\r\nContent-", silent: true},
		"half a body":        {begin: "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", silent: true},
		"random":             {begin: "\x00\xff\x1b[31m", rest: "\x1b[2J\xff\xfe"},
		"no line":            {rest: "HTTP/1.1 "},
		"endless head":       {begin: "HTTP/1.1 200 OK\r\n", rest: "A: b\r\n"},
		"endless reason":     {begin: "HTTP/1.1 500 ", rest: "\x1b[31m"},
		"endless blanks":     {begin: ok, rest: " "},
		"endless text":       {begin: ok + `{"build":"`, rest: "x"},
		"endless chunks":     {begin: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", rest: "1\r\n \r\n"},
		"endless extensions": {begin: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", rest: "x"},
		"negative length":    {begin: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
		"huge length":        {begin: "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", rest: " "},
		"two lengths":        {begin: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}\n"},
		"deep":               {begin: ok, rest: `{"x":[`},
		"other type":         {begin: ok + `[7]`},
		"other upgrade":      {begin: "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: no\r\n\r\n", rest: "x"},
		"long refusal":       {begin: "HTTP/1.1 500 X\r\nConnection: close\r\n\r\n" + `{"code":"invalid","message":"` + long + `"}`},
		"endless refusal":    {begin: "HTTP/1.1 404 X\r\n\r\n" + `{"code":"not_found","message":"`, rest: "x"},
		"reason":             {begin: "HTTP/1.1 500 \x1b[31m" + strings.Repeat("r", 10_000) + "\r\n\r\n"},
		"many elements":      {begin: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + `{"pid":-1,"load1":-1,"id":7,"offset":-1,"sessions":[` + strings.Repeat("{},", 300_000) + "{}]}"},
	}
}

func (w wrongAnswer) say(c net.Conn, in *bufio.Reader) (written int) {
	_, _ = in.ReadString('\n')
	_, _ = io.WriteString(c, "OK 1\n")
	req, err := http.ReadRequest(in)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, req.Body)
	written, err = io.WriteString(c, w.begin)
	if w.rest != "" {
		for rest := strings.Repeat(w.rest, 1+4096/len(w.rest)); err == nil; {
			var n int
			n, err = io.WriteString(c, rest)
			written += n
		}
	}
	if w.silent {
		_, _ = in.ReadByte() // until the host is gone
	}
	return written
}

// unprintable is what may not be in an error, whose lines are banger's own.
func unprintable(r rune) bool { return unicode.IsControl(r) && r != '\n' }

func TestAHostileGuestsAnswersCostLittle(t *testing.T) {
	for name, answer := range wrongAnswers() {
		for verb, call := range guestCalls() {
			t.Run(name+"/"+verb, func(t *testing.T) {
				written := make(chan int, 1)
				c := guest.Client{Token: "sesame", Socket: driver(t, func(conn net.Conn, in *bufio.Reader) { written <- answer.say(conn, in) })}
				limit := 10 * time.Second
				if answer.silent {
					limit = 20 * time.Millisecond // its end is what ends the call
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				err := call(ctx, c)
				if err == nil {
					t.Fatal("it was believed")
				}
				if !answer.silent && ctx.Err() != nil {
					t.Error("only the deadline ended it")
				}
				if text := err.Error(); len(text) > maxErrText || strings.ContainsFunc(text, unprintable) {
					t.Errorf("the error has %d bytes: %.200q", len(text), text)
				}
				if n := <-written; n > maxTaken {
					t.Errorf("%d bytes were taken", n)
				}
			})
		}
	}
}

// Two bytes of JSON are a session of some hundred: how many are decoded is
// bounded.
func TestManyElementsTakeLittleMemory(t *testing.T) {
	answer := wrongAnswers()["many elements"].begin
	for verb, call := range guestCalls() {
		c := answering(t, answer)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = call(within(t), c)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > maxAllocated {
			t.Errorf("%s took %d MiB", verb, took>>20)
		}
	}
}

func TestHealthThatCannotBeTrue(t *testing.T) {
	for _, body := range []string{
		`{"protocol":-1}`, `{"mem_total_bytes":-1}`, `{"mem_available_bytes":-9223372036854775808}`, `{"disk_size_bytes":-1}`,
		`{"disk_free_bytes":-1}`, `{"uptime_seconds":-1}`, `{"uptime_seconds":1e308}`, `{"load1":-1e300}`, `{"load1":1e300}`,
		`{"cpu_seconds":1e300}`, `{"cpu_seconds":-1}`, `{"now":"x"}`, `{} {}`,
	} {
		if h, err := answering(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+body).Health(within(t)); err == nil {
			t.Errorf("%s: %+v", body, h)
		}
	}
	long := strings.Repeat(`\u001b[31m`, 2000)
	h, err := answering(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+`{"build":"`+long+`","init":"`+long+`","boot_id":"`+long+`"}`).Health(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{h.Build, h.Init, h.BootID} {
		if len(word) > 128 || strings.ContainsFunc(word, unicode.IsControl) {
			t.Errorf("it is called %d bytes: %.100q", len(word), word)
		}
	}
}

func TestOutputThatCannotBeTrue(t *testing.T) {
	for _, body := range []string{
		`{"offset":-1}`, `{"offset":9,"end":3}`, `{"offset":0,"end":2,"data":"YWJj"}`, `{"lost":-1}`, `{"offset":9223372036854775807,"end":-9223372036854775808}`,
	} {
		out, err := answering(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+body).SessionOutput(within(t), "x", guest.OutputQuery{})
		if err == nil {
			t.Errorf("%s: %+v", body, out)
		}
	}
}
