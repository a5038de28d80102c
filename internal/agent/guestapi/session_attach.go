package guestapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"net/http"

	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
)

func (s *Server) attachSession(w http.ResponseWriter, r *http.Request, sess *session.Session) {
	if !wants(w, r, "attach", agentrpc.AttachProtocol) {
		return
	}
	req, ok := decodeBody[agentrpc.SessionAttach](w, r)
	if !ok {
		return
	}
	a, greeting, err := sess.Attach(req)
	if err != nil {
		s.refuse(w, err)
		return
	}
	defer a.Close()
	hello, err := json.Marshal(greeting)
	if err != nil {
		s.refuse(w, err)
		return
	}
	conn, in, ok := s.upgrade(w, agentrpc.AttachProtocol, agentrpc.AppendFrame(nil, agentrpc.AttachHello, hello))
	if !ok {
		return
	}
	defer func() { _ = conn.Close() }()
	go receiveFrames(conn, in, a)
	sendFrames(conn, a)
}

// receiveFrames passes the client's frames on until the connection ends.
func receiveFrames(conn net.Conn, in *bufio.Reader, a *session.Attachment) {
	var buf []byte
	for {
		t, payload, err := agentrpc.ReadAttachFrame(in, buf)
		if err == nil {
			buf = payload[:cap(payload)]
			err = a.Receive(t, payload)
		}
		switch {
		case errors.Is(err, agentrpc.ErrFrame):
			a.Fail(err)
			return
		case err != nil:
			a.Close()
			_ = conn.Close()
			return
		}
	}
}

func sendFrames(conn net.Conn, a *session.Attachment) {
	buf := make([]byte, session.FrameBuffer)
	for {
		frame, last := a.Next(buf)
		if len(frame) > 0 {
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
		if last {
			return
		}
	}
}
