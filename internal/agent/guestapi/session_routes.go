package guestapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/httpjson"
)

const (
	// eventLimit bounds the sending of one event.
	eventLimit = 30 * time.Second
	// maxOutputWait bounds the wait for output.
	maxOutputWait = time.Minute
)

func (s *Server) sessionRoutes() {
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request, Identity){
		"POST " + agentrpc.PathSessions:                  s.startSession,
		"GET " + agentrpc.PathSessions:                   s.listSessions,
		"GET " + agentrpc.PathSessionEvents:              s.sessionEvents,
		"GET " + agentrpc.PathSessions + "/{id}":         withSession(s, s.showSession),
		"DELETE " + agentrpc.PathSessions + "/{id}":      s.removeSession,
		"GET " + agentrpc.PathSessions + "/{id}/output":  withSession(s, s.sessionOutput),
		"POST " + agentrpc.PathSessions + "/{id}/stdin":  withSession(s, s.sendSession),
		"POST " + agentrpc.PathSessions + "/{id}/stop":   withSession(s, s.stopSession),
		"POST " + agentrpc.PathSessions + "/{id}/signal": withSession(s, s.signalSession),
		"POST " + agentrpc.PathSessions + "/{id}/attach": withSession(s, s.attachSession),
	} {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if id, ok := s.authorised(w, r); ok {
				handle(w, r, id)
			}
		})
	}
}

func withSession(s *Server, handle func(http.ResponseWriter, *http.Request, *session.Session)) func(http.ResponseWriter, *http.Request, Identity) {
	return func(w http.ResponseWriter, r *http.Request, _ Identity) {
		sess, err := s.sessions.Get(r.PathValue("id"))
		if err != nil {
			s.refuse(w, err)
			return
		}
		handle(w, r, sess)
	}
}

// refuse answers with an error of a session.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, "internal"
	if e := (*session.Error)(nil); errors.As(err, &e) {
		code = string(e.Code)
		status = map[session.Code]int{
			session.NotFound: http.StatusNotFound, session.Conflict: http.StatusConflict,
			session.Busy: http.StatusConflict, session.Denied: http.StatusForbidden, session.Invalid: http.StatusUnprocessableEntity,
		}[e.Code]
	} else if e := (*command.StartError)(nil); errors.As(err, &e) {
		status, code = http.StatusUnprocessableEntity, "invalid"
	}
	replyError(w, status, code, err.Error())
}

func decodeBody[T any](w http.ResponseWriter, r *http.Request) (body T, ok bool) {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		replyError(w, http.StatusBadRequest, "invalid", fmt.Sprintf("malformed request: %v", err))
		return body, false
	}
	return body, true
}

func (s *Server) startSession(w http.ResponseWriter, r *http.Request, id Identity) {
	req, ok := decodeBody[agentrpc.SessionStart](w, r)
	if !ok {
		return
	}
	spec, err := specFor(id, agentrpc.ExecRequest{Command: req.Command, Dir: req.Dir, Env: req.Env, User: req.User, TTY: req.TTY})
	if err != nil {
		s.refuse(w, err)
		return
	}
	info, err := s.sessions.Start(session.Request{
		ID: req.ID, Spec: spec, Require: req.Require, Rows: req.Rows, Cols: req.Cols, KeepBytes: req.KeepBytes, Credentials: req.Credentials,
	})
	if err != nil {
		s.refuse(w, err)
		return
	}
	httpjson.Answer(w, http.StatusCreated, info)
}

// Said takes what a process of a session says of it: see notify.Say.
func (s *Server) Said(pid int, said agentrpc.SessionSaid) (string, error) {
	sess, err := s.sessions.OfProcess(pid)
	if err == nil {
		err = sess.Said(said)
	}
	if err != nil {
		return "", err
	}
	return sess.Info().ID, nil
}

func (s *Server) listSessions(w http.ResponseWriter, _ *http.Request, _ Identity) {
	httpjson.Answer(w, http.StatusOK, s.sessions.List())
}

func (s *Server) sessionEvents(w http.ResponseWriter, r *http.Request, _ Identity) {
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	_ = s.sessions.Watch(r.Context().Done(), func(ev agentrpc.SessionEvent) error { // the host is gone, and asks again
		_ = out.SetWriteDeadline(time.Now().Add(eventLimit))
		return errors.Join(enc.Encode(ev), out.Flush())
	})
}

func (s *Server) showSession(w http.ResponseWriter, _ *http.Request, sess *session.Session) {
	httpjson.Answer(w, http.StatusOK, sess.Info())
}

func (s *Server) removeSession(w http.ResponseWriter, r *http.Request, _ Identity) {
	if err := s.sessions.Remove(r.PathValue("id")); err != nil {
		s.refuse(w, err)
		return
	}
	httpjson.Answer(w, http.StatusOK, struct{}{})
}

func (s *Server) sessionOutput(w http.ResponseWriter, r *http.Request, sess *session.Session) {
	q := r.URL.Query()
	number := func(key string, unset int64) int64 {
		if n, err := strconv.ParseInt(q.Get(key), 10, 64); err == nil {
			return n
		}
		return unset
	}
	stream := agentrpc.Stdout
	if q.Get("stream") == "stderr" {
		stream = agentrpc.Stderr
	}
	limit := min(max(number("max", agentrpc.MaxOutputRead), 0), agentrpc.MaxOutputRead)
	wait := min(max(time.Duration(number("wait_ms", 0))*time.Millisecond, 0), maxOutputWait)
	done := make(chan struct{})
	timer := time.AfterFunc(wait, func() { close(done) })
	defer timer.Stop()
	httpjson.Answer(w, http.StatusOK, sess.Output(done, stream, number("offset", agentrpc.FromOldest), int(limit)))
}

func (s *Server) sendSession(w http.ResponseWriter, r *http.Request, sess *session.Session) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, agentrpc.MaxSend))
	if err != nil {
		replyError(w, http.StatusUnprocessableEntity, "invalid", fmt.Sprintf("a send takes at most %d bytes: %v", agentrpc.MaxSend, err))
		return
	}
	if err := sess.Send(data, r.URL.Query().Get("eof") == "true"); err != nil {
		s.refuse(w, err)
		return
	}
	httpjson.Answer(w, http.StatusOK, struct{}{})
}

func (s *Server) stopSession(w http.ResponseWriter, r *http.Request, sess *session.Session) {
	req, ok := decodeBody[agentrpc.SessionStop](w, r)
	if !ok {
		return
	}
	timeout := time.Duration(min(max(req.TimeoutMillis, 0), agentrpc.MaxStop.Milliseconds())) * time.Millisecond
	sess.Stop(r.Context().Done(), timeout)
	httpjson.Answer(w, http.StatusOK, sess.Info())
}

func (s *Server) signalSession(w http.ResponseWriter, r *http.Request, sess *session.Session) {
	req, ok := decodeBody[agentrpc.SessionSignal](w, r)
	if !ok {
		return
	}
	sig := command.ParseSignal(req.Signal)
	if sig == 0 {
		replyError(w, http.StatusUnprocessableEntity, "invalid", fmt.Sprintf("unknown signal %.40q", req.Signal))
		return
	}
	if err := sess.Signal(sig); err != nil {
		s.refuse(w, err)
		return
	}
	httpjson.Answer(w, http.StatusOK, sess.Info())
}
