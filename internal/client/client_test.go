package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/fault"
)

func TestEvents(t *testing.T) {
	stream := ": alive\n\nevent: other\ndata: {}\n\nevent: operation\ndata: {\"id\":\ndata: \"a\"}\n\n" +
		"event: operation\r\ndata:{\"id\":\"b\"}\r\n\r\nevent: operation\n\nevent: operation\ndata: {\"id\":\"cut\"}\n"
	r := newEventReader(strings.NewReader(stream))
	for _, want := range []string{"a", "b"} {
		if op, err := r.nextOperation(); err != nil || op.ID != want {
			t.Fatalf("%+v, %v, want %s", op, err, want)
		}
	}
	if op, err := r.nextOperation(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an event without its end: %+v, %v", op, err)
	}
}

func TestEventsAreBounded(t *testing.T) {
	for name, stream := range map[string]io.Reader{
		"one long line":   io.MultiReader(strings.NewReader("data: "), endless("x")),
		"many data lines": endless("data: " + strings.Repeat("x", 1000) + "\n"),
	} {
		if _, err := newEventReader(stream).next(); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e) <= len(p) {
		n += copy(p[n:], e)
	}
	if n == 0 {
		n = copy(p, e)
	}
	return n, nil
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("event: operation\ndata: {}\n\n"))
	f.Add([]byte("data\n\n\xff:\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newEventReader(bytes.NewReader(data))
		for {
			if _, err := r.nextOperation(); err != nil {
				if _, ok := errors.AsType[*fault.Error](err); ok {
					continue // malformed, and the next may not be
				}
				return
			}
		}
	})
}

func TestParseBuild(t *testing.T) {
	got, ok := parseBuild("v1 abc 1700000000")
	if want := (buildinfo.Info{Version: "v1", Commit: "abc", BuiltAt: time.Unix(1700000000, 0).UTC()}); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	if got, ok := parseBuild("devel - 0"); !ok || got != (buildinfo.Info{Version: "devel"}) {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, bad := range []string{"", "v1", "v1 abc soon", "v1 a b 1"} {
		if _, ok := parseBuild(bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

// answer serves one connection with fixed bytes.
func answer(t *testing.T, text string) *Client {
	t.Helper()
	c := New("test")
	c.Dial = func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			_, _ = there.Read(make([]byte, 64<<10))
			_, _ = io.WriteString(there, text)
			_ = there.Close()
		}()
		return here, nil
	}
	t.Cleanup(c.Close)
	return c
}

func TestAnswersThatAreNotOurs(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		code fault.Code
	}{
		"no HTTP":             {"SSH-2.0-hello\r\n", fault.Unavailable},
		"nothing":             {"", fault.Unavailable},
		"an error page":       {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>", fault.Internal},
		"no JSON":             {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", fault.Internal},
		"cut":                 {"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{", fault.Unavailable},
		"a problem of others": {"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n{\"title\":\"x\"}", fault.Internal},
	} {
		if _, err := answer(t, c.text).Ping(t.Context()); fault.CodeOf(err) != c.code || err == nil {
			t.Errorf("%s: %v (%s), want %s", name, err, fault.CodeOf(err), c.code)
		}
	}
	if _, err := answer(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").DialVM(t.Context(), "x", 1); !errors.Is(err, fault.Internal) {
		t.Errorf("no upgrade: %v", err)
	}
}

func TestUpgradeKeepsEarlyBytes(t *testing.T) {
	c := answer(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: banger-stream-v1\r\n\r\nearly")
	s, err := c.DialVM(t.Context(), "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if got, err := io.ReadAll(s); err != nil || string(got) != "early" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestUpgradeIsBoundByItsContext(t *testing.T) {
	c := New("test")
	c.Dial = func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		return here, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.ExecVM(ctx, "x", api.Exec{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}
