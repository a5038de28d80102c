package session_test

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
)

// peer is the client's side of an attachment.
type peer struct {
	t     *testing.T
	conn  net.Conn
	hello agentrpc.AttachGreeting
	a     *session.Attachment
}

// attach joins a client, as guestapi does.
func attach(t *testing.T, s *session.Session, req agentrpc.SessionAttach) *peer {
	t.Helper()
	a, hello, err := s.Attach(req)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	if err := ours.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		for {
			ft, payload, err := agentrpc.ReadAttachFrame(theirs, nil)
			if err == nil {
				err = a.Receive(ft, payload)
			}
			if errors.Is(err, agentrpc.ErrFrame) {
				a.Fail(err)
				return
			}
			if err != nil {
				a.Close()
				return
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		defer func() { _ = theirs.Close() }()
		buf := make([]byte, session.FrameBuffer)
		for {
			frame, last := a.Next(buf)
			if _, err := theirs.Write(frame); err != nil || last {
				return
			}
		}
	}()
	t.Cleanup(func() {
		a.Close()
		_ = ours.Close()
		<-done
		<-done
	})
	return &peer{t: t, conn: ours, hello: hello, a: a}
}

func (p *peer) stdin(offset int64, text string) {
	p.t.Helper()
	p.write(agentrpc.AppendFrame(nil, agentrpc.AttachStdin, agentrpc.AppendOffset(nil, offset), []byte(text)))
}

func (p *peer) eof(offset int64) {
	p.t.Helper()
	p.write(agentrpc.AppendFrame(nil, agentrpc.AttachStdinEOF, agentrpc.AppendOffset(nil, offset)))
}

func (p *peer) write(frame []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(frame); err != nil {
		p.t.Fatal(err)
	}
}

// heard is what an attachment was sent until its last frame, or until enough.
type heard struct {
	text [2]bytes.Buffer
	lost [2]int64
	end  string
}

func (p *peer) listen(enough func(*heard) bool) *heard {
	p.t.Helper()
	h := &heard{}
	next := [2]int64{p.hello.Stdout, p.hello.Stderr}
	for enough == nil || !enough(h) {
		ft, payload, err := agentrpc.ReadAttachFrame(p.conn, nil)
		if err != nil {
			p.t.Fatalf("after %q: %v", h.text[0].String(), err)
		}
		switch ft {
		case agentrpc.AttachStdout, agentrpc.AttachStderr:
			stream := ft - agentrpc.AttachStdout
			offset, data, err := agentrpc.ParseOffset(payload)
			if err != nil || offset != next[stream] {
				p.t.Fatalf("output at %d, want %d (%v)", offset, next[stream], err)
			}
			next[stream] += int64(len(data))
			h.text[stream].Write(data)
		case agentrpc.AttachLost:
			stream, from, to, err := agentrpc.ParseLost(payload)
			if err != nil || from != next[stream] {
				p.t.Fatalf("lost %d to %d, want from %d (%v)", from, to, next[stream], err)
			}
			h.lost[stream] += to - from
			next[stream] = to
		case agentrpc.AttachEnd:
			h.end = string(payload)
			return h
		default: // greetings and acknowledgements
		}
	}
	return h
}

func (h *heard) has(text string) bool { return strings.Contains(h.text[0].String(), text) }
