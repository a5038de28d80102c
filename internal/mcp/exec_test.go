package mcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
)

func TestExec(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	var asked api.Exec
	f.guest = func(conn net.Conn, req api.Exec) {
		asked = req
		plays(frame(agentrpc.FrameStdout, "out\n"), frame(agentrpc.FrameStderr, "err\n"), exit(3))(conn, req)
	}
	got := get[execResult](t, s, "exec", object{
		"vm": "box", "command": []string{"make", "test"}, "dir": "/root/repo", "env": object{"B": "2", "A": "1"}, "user": "guest",
	})
	if got.ExitCode != 3 || got.TimedOut || got.Stdout.Text != "out\n" || got.Stderr.Text != "err\n" || got.Stdout.Omitted != 0 {
		t.Errorf("%+v", got)
	}
	if fmt.Sprintf("%v %v %v %v %v %v", asked.Command, asked.Dir, asked.Env, asked.User, asked.Stdin, asked.KillGroup) != "[make test] /root/repo [A=1 B=2] guest false true" {
		t.Errorf("asked for %+v", asked)
	}
}

func TestExecStdin(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	f.guest = func(conn net.Conn, _ api.Exec) {
		var in bytes.Buffer
		for {
			kind, payload, err := agentrpc.ReadFrame(conn, nil)
			if err != nil || kind == agentrpc.FrameStdinEOF {
				break
			}
			in.Write(payload)
		}
		frame(agentrpc.FrameStdout, fmt.Sprint(in.Len()))(conn)
		exit(0)(conn)
	}
	got := get[execResult](t, s, "exec", object{"vm": "box", "command": []string{"wc"}, "stdin": strings.Repeat("é", 100_000)})
	if got.Stdout.Text != "200000" {
		t.Errorf("%+v", got)
	}
}

func TestExecThatDoesNotStart(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	f.guest = plays(frame(agentrpc.FrameError, "\x00\x00\x00\x7fnope: command not found"))
	p := refused(t, s, "exec", object{"vm": "box", "command": []string{"nope"}})
	if p.Code != "not_found" || !strings.Contains(p.Message, "nope: command not found") || p.Hint == "" {
		t.Errorf("%+v", p)
	}
	f.guest = plays(frame(agentrpc.FrameError, "\x00\x00\x00\x7eunknown user \"app\""))
	p = refused(t, s, "exec", object{"vm": "box", "command": []string{"id"}})
	if p.Code != "invalid" || !strings.Contains(p.Message, `unknown user "app"`) || !strings.Contains(p.Hint, `"user": "root"`) {
		t.Errorf("%+v", p)
	}
	if p := refused(t, s, "exec", object{"vm": "none", "command": []string{"true"}}); p.Code != "not_found" || p.Hint != "call vm_list" {
		t.Errorf("%+v", p)
	}
}

// A guest that breaks the protocol is bounded and said to be broken.
func TestExecWithAHostileGuest(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	raw := func(bytes string) func(net.Conn, api.Exec) {
		return func(conn net.Conn, _ api.Exec) { _, _ = conn.Write([]byte(bytes)) }
	}
	for name, guest := range map[string]func(net.Conn, api.Exec){
		"nothing":     raw(""),
		"noise":       raw("GET / HTTP/1.1\r\n"),
		"huge frame":  raw("\x05\xff\xff\xff\xff"),
		"bad status":  plays(frame(agentrpc.FrameExit, "\xff\xff\xff\xff")),
		"short exit":  plays(frame(agentrpc.FrameExit, "1")),
		"short error": plays(frame(agentrpc.FrameError, "1")),
		"host frame":  plays(frame(agentrpc.FrameStdin, "1")),
	} {
		f.guest = guest
		if p := refused(t, s, "exec", object{"vm": "box", "command": []string{"true"}}); p.Code != "unavailable" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestExecTimeout(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	signals := make(chan string, 8)
	f.guest = obeys("KILL", signals)
	got := get[execResult](t, s, "exec", object{"vm": "box", "command": []string{"sleep", "9"}, "timeout_seconds": 0.1})
	if !got.TimedOut || got.ExitCode != 137 || got.Stdout.Text != "working\n" {
		t.Errorf("%+v", got)
	}
	var seen []string
	for sig := range signals {
		seen = append(seen, sig)
	}
	if fmt.Sprint(seen) != "[TERM KILL]" {
		t.Errorf("signals %v", seen)
	}
}

// A request that is cancelled ends its command.
func TestExecCancelled(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	signals := make(chan string, 8)
	f.guest = obeys("TERM", signals)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := s.CallTool(ctx, &sdk.CallToolParams{Name: "exec", Arguments: object{"vm": "box", "command": []string{"sleep", "9"}}}); err == nil {
		t.Error("a cancelled call has a result")
	}
	if sig := receiveWithin(t, signals); sig != "TERM" {
		t.Errorf("signal %q", sig)
	}
}

// A client that goes away ends what it had under way.
func TestClientGoesAway(t *testing.T) {
	f := newFake(t)
	signals, begun := make(chan string, 8), make(chan struct{})
	f.guest = func(conn net.Conn, req api.Exec) {
		close(begun)
		obeys("TERM", signals)(conn, req)
	}
	f.hang = true
	here, there := net.Pipe()
	served := make(chan error, 1)
	ctx, unread := context.WithCancel(context.WithoutCancel(t.Context()))
	defer unread()
	go func() { served <- New(f.daemon(), "test", typed).Serve(ctx, there, there) }()
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, nil).Connect(t.Context(), &sdk.IOTransport{Reader: here, Writer: here}, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = s.CallTool(context.WithoutCancel(t.Context()), &sdk.CallToolParams{Name: "exec", Arguments: object{"vm": "box", "command": []string{"sleep", "9"}}})
	}()
	go func() {
		_, _ = s.CallTool(context.WithoutCancel(t.Context()), &sdk.CallToolParams{Name: "vm_create"})
	}()
	until(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.created) == 1 })
	receiveWithin(t, begun)
	_ = here.Close()
	unread()
	// It is over only when all that was under way has been ended.
	if err := receiveWithin(t, served); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if sig := receiveWithin(t, signals); sig != "TERM" {
		t.Errorf("signal %q", sig)
	}
	receiveWithin(t, f.undone)
	if len(f.canceled) != 1 {
		t.Errorf("cancelled %v", f.canceled)
	}
}

func receiveWithin[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("it did not come")
		}
	}
}

func TestExecOutputIsShortened(t *testing.T) {
	f := newFake(t)
	s := connect(t, f, nil)
	f.guest = func(conn net.Conn, _ api.Exec) {
		frame(agentrpc.FrameStdout, "FIRST\n")(conn)
		for range 100 {
			frame(agentrpc.FrameStdout, strings.Repeat("x", 60_000))(conn)
		}
		frame(agentrpc.FrameStdout, "\nLAST\n")(conn)
		exit(0)(conn)
	}
	got := get[execResult](t, s, "exec", object{"vm": "box", "command": []string{"yes"}, "output_limit_bytes": 1000}).Stdout
	if !strings.HasPrefix(got.Text, "FIRST\n") || !strings.HasSuffix(got.Text, "\nLAST\n") || len(got.Text) > 1100 {
		t.Errorf("%d bytes: %.40q", len(got.Text), got.Text)
	}
	if got.Bytes != 6_000_012 || got.Omitted != 6_000_012-1000 || !strings.Contains(got.Text, fmt.Sprintf("[… %d bytes left out …]", got.Omitted)) {
		t.Errorf("%d bytes, %d left out", got.Bytes, got.Omitted)
	}
}

// Whatever is written in whatever pieces, what is returned is its head and its
// tail, in whole characters, and the count is right.
func TestHeadTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &headTail{limit: rapid.IntRange(8, 40).Draw(t, "limit")}
		var all []byte
		for _, piece := range rapid.SliceOf(rapid.StringOf(rapid.RuneFrom([]rune("ab\né€😀")))).Draw(t, "pieces") {
			cut := rapid.IntRange(0, len(piece)).Draw(t, "cut")
			for _, part := range []string{piece[:cut], piece[cut:]} {
				_, _ = h.Write([]byte(part))
				all = append(all, part...)
			}
		}
		got := h.text()
		if got.Bytes != int64(len(all)) || got.Binary || !utf8.ValidString(got.Text) {
			t.Fatalf("%+v of %q", got, all)
		}
		if len(all) <= h.limit {
			if got.Text != string(all) || got.Omitted != 0 {
				t.Fatalf("%+v of %q", got, all)
			}
			return
		}
		head, tail, ok := strings.Cut(got.Text, fmt.Sprintf("\n[… %d bytes left out …]\n", got.Omitted))
		if !ok || !bytes.HasPrefix(all, []byte(head)) || !bytes.HasSuffix(all, []byte(tail)) {
			t.Fatalf("%+v of %q", got, all)
		}
		if kept := int64(len(all)) - got.Omitted; kept > int64(h.limit) || kept < int64(h.limit)-6 {
			t.Fatalf("%d bytes kept of %d", kept, h.limit)
		}
	})
}

func TestHeadTailOfBinaryOutput(t *testing.T) {
	h := &headTail{limit: 100}
	_, _ = h.Write([]byte("a\xff\xfe\x00b"))
	if got := h.text(); !got.Binary || got.Text != "a\ufffd\x00b" {
		t.Errorf("%+v", got)
	}
}
