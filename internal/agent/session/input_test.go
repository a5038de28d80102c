package session_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
)

func TestInputThatCameBeforeIsDropped(t *testing.T) {
	s := start(t, request(t, "cat"))
	p := attach(t, s, agentrpc.SessionAttach{Writer: "me"})
	p.stdin(0, "hello ")
	p.listen(func(h *heard) bool { return h.has("hello ") })
	again := attach(t, s, agentrpc.SessionAttach{Writer: "me", Stdout: 6})
	if again.hello.Stdin != 6 || again.hello.Stdout != 6 {
		t.Errorf("greeting %+v", again.hello)
	}
	if h := p.listen(nil); !strings.Contains(h.end, agentrpc.EndReplaced) {
		t.Errorf("the former connection ended with %q", h.end)
	}
	again.stdin(0, "hello wor")
	again.stdin(3, "lo world")
	again.eof(11)
	if h := again.listen(nil); h.text[0].String() != "world" || !strings.Contains(h.end, agentrpc.EndExited) {
		t.Errorf("got %q, %s", h.text[0].String(), h.end)
	}
	if out := output(s, agentrpc.Stdout, 0); string(out.Data) != "hello world" {
		t.Errorf("the command had %q", out.Data)
	}
}

func TestThereIsOneWriter(t *testing.T) {
	s := start(t, request(t, "cat"))
	p := attach(t, s, agentrpc.SessionAttach{Writer: "one"})
	if _, _, err := s.Attach(agentrpc.SessionAttach{Writer: "two"}); code(err) != session.Conflict {
		t.Errorf("a second writer: %v", err)
	}
	if _, _, err := s.Attach(agentrpc.SessionAttach{}); code(err) != session.Invalid {
		t.Errorf("a writer without a name: %v", err)
	}
	reader := attach(t, s, agentrpc.SessionAttach{ReadOnly: true})
	p.stdin(0, "to all\n")
	reader.listen(func(h *heard) bool { return h.has("to all\n") })
	reader.stdin(0, "not allowed")
	if h := reader.listen(nil); !strings.Contains(h.end, agentrpc.EndError) {
		t.Errorf("a reader that writes: %q", h.end)
	}
	p.a.Close()
	attach(t, s, agentrpc.SessionAttach{Writer: "two"})
}

func code(err error) session.Code {
	if e := (*session.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestBreachesOfTheProtocolEndTheAttachmentOnly(t *testing.T) {
	for name, frame := range map[string][]byte{
		"a hole in the input": agentrpc.AppendFrame(nil, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, 7), []byte("x")),
		"no offset":           agentrpc.AppendFrame(nil, agentrpc.AttachStdin, []byte("x")),
		"a size of one byte":  agentrpc.AppendFrame(nil, agentrpc.AttachResize, []byte("x")),
		"the agent's frame":   agentrpc.AppendFrame(nil, agentrpc.AttachAck, agentrpc.AppendOffset(nil, 0)),
		"no frame at all":     {99, 0, 0, 0, 0},
		"too much":            {1, 0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, request(t, "cat"))
			p := attach(t, s, agentrpc.SessionAttach{Writer: "w"})
			p.write(frame)
			if h := p.listen(nil); !strings.Contains(h.end, agentrpc.EndError) {
				t.Errorf("ended with %q", h.end)
			}
			if info := s.Info(); info.State != agentrpc.SessionRunning {
				t.Errorf("the session is %s", info.State)
			}
		})
	}
}

// The window bounds what a writer can make the agent hold.
func TestAWriterCannotExceedItsWindow(t *testing.T) {
	s := start(t, request(t, "sleep", "1000"))
	p := attach(t, s, agentrpc.SessionAttach{Writer: "w"})
	go func() { // the agent stops reading when it has had enough
		piece := bytes.Repeat([]byte("x"), agentrpc.MaxAttachData)
		for i := range 20 {
			frame := agentrpc.AppendFrame(nil, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, int64(i*len(piece))), piece)
			if _, err := p.conn.Write(frame); err != nil {
				return
			}
		}
	}()
	if h := p.listen(nil); !strings.Contains(h.end, agentrpc.EndError) {
		t.Errorf("ended with %q", h.end)
	}
}

func TestSendsArriveWhole(t *testing.T) {
	s := start(t, request(t, "cat"))
	pieces := make(chan error, 8)
	for i := range 8 {
		go func() {
			var err error
			for range 4 {
				err = errors.Join(err, s.Send(bytes.Repeat([]byte{byte('a' + i)}, 16<<10), false))
			}
			pieces <- err
		}()
	}
	for range 8 {
		if err := <-pieces; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Send(nil, true); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	var all []byte
	for int64(len(all)) < s.Info().StdoutBytes {
		all = append(all, output(s, agentrpc.Stdout, int64(len(all))).Data...)
	}
	if len(all) != 8*4*16<<10 {
		t.Fatalf("%d bytes", len(all))
	}
	for at := 0; at < len(all); at += 16 << 10 {
		if piece := all[at : at+16<<10]; bytes.Count(piece, piece[:1]) != len(piece) {
			t.Errorf("the piece at %d is mixed", at)
		}
	}
	if err := s.Send([]byte("x"), false); code(err) != session.Conflict {
		t.Errorf("send to an ended session: %v", err)
	}
	if err := s.Send(make([]byte, agentrpc.MaxSend+1), false); code(err) != session.Invalid {
		t.Errorf("a send too large: %v", err)
	}
}

func TestSendsToACommandThatDoesNotReadAreRefusedInTime(t *testing.T) {
	s := start(t, request(t, "sleep", "1000"))
	var err error
	for range 40 {
		if err = s.Send(make([]byte, agentrpc.MaxSend), false); err != nil {
			break
		}
	}
	if code(err) != session.Busy {
		t.Errorf("send = %v", err)
	}
}
