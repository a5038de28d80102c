package mcp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
)

const hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

func execLine(id int, word string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"exec","arguments":{"vm":"box","command":[%q]}}}`, id, word)
}

// A client that writes all it has to say and ends its input, as a shell's pipe
// does, has an answer to each request.
func TestInputThatEndsAtOnceIsAnswered(t *testing.T) {
	for name, lines := range map[string][]string{
		"none":            nil,
		"initialize":      {hello},
		"list":            {hello, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`},
		"no newline":      {hello, `{"jsonrpc":"2.0","id":1,"method":"ping"}`},
		"unknown method":  {hello, `{"jsonrpc":"2.0","id":1,"method":"no/such"}`},
		"a slow call":     {hello, execLine(1, "slow")},
		"several at once": {hello, execLine(1, "slow"), execLine(2, "quick"), `{"jsonrpc":"2.0","id":3,"method":"ping"}`},
		"notification":    {hello, `{"jsonrpc":"2.0","method":"notifications/initialized"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			ended := make(chan struct{})
			f.guest = func(conn net.Conn, req api.Exec) {
				if req.Command[0] == "slow" {
					<-ended
				}
				plays(exit(0))(conn, req)
			}
			in := io.MultiReader(strings.NewReader(strings.Join(lines, "\n")), &last{ended})
			var out bytes.Buffer
			if err := New(f.daemon(), "test", typed).Serve(t.Context(), io.NopCloser(in), discarded{&out}); err != nil {
				t.Fatal(err)
			}
			if want := strings.Count(strings.Join(lines, "\n"), `"id":`); strings.Count(out.String(), "\n") != want {
				t.Errorf("%d requests, answers: %s", want, out.String())
			}
		})
	}
}

// last is the end of an input. What it closes goes on only then.
type last struct{ ended chan struct{} }

func (l *last) Read([]byte) (int, error) {
	close(l.ended)
	return 0, io.EOF
}

// What the client has cancelled is ended, and not answered: the protocol says so.
// What it has not is, and a cancellation that is about nothing does nothing.
func TestCancelledRequestsAreNotAnswered(t *testing.T) {
	f := newFake(t)
	started, signals := make(chan struct{}), make(chan string, 8)
	f.guest = func(conn net.Conn, req api.Exec) {
		if req.Command[0] != "slow" {
			plays(exit(0))(conn, req)
			return
		}
		close(started)
		obeys("TERM", signals)(conn, req)
	}
	in, client := io.Pipe()
	var out bytes.Buffer
	served := make(chan error, 1)
	go func() {
		served <- New(f.daemon(), "test", typed).Serve(context.WithoutCancel(t.Context()), in, discarded{&out})
	}()
	say := func(line string) {
		if _, err := io.WriteString(client, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	say(hello)
	say(execLine(1, "slow"))
	receiveWithin(t, started)
	for _, params := range []string{`{"requestId":1}`, `{"requestId":77}`, `{"requestId":"1"}`, `{"requestId":{}}`, `[]`} {
		say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":` + params + `}`)
	}
	if sig := receiveWithin(t, signals); sig != "TERM" {
		t.Errorf("signal %q", sig)
	}
	say(execLine(2, "quick"))
	_ = client.Close()
	if err := receiveWithin(t, served); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, `"id":1,`) || !strings.Contains(got, `"id":2,`) || !strings.Contains(got, `"id":"hello",`) {
		t.Errorf("answers: %s", got)
	}
}
