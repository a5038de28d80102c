package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/session"
)

// defaultSessionStop is how long a session may take to end when nobody says.
const defaultSessionStop = 10 * time.Second

// Sessions are the commands that run on in guests.
type Sessions interface {
	Start(ctx context.Context, vmName string, req session.StartRequest) (session.Session, error)
	List(ctx context.Context, vmName string) ([]session.Session, error)
	Get(ctx context.Context, vmName, name string) (session.Session, error)
	Wait(ctx context.Context, vmName, name string) (session.Session, error)
	// Current returns the sessions of all VMs that may still run, as they are known
	// without asking a guest.
	Current(ctx context.Context) ([]session.Session, error)
	// VMAttention is which session of a VM needs somebody most, and how, as far as it is
	// known without asking the guest.
	VMAttention(vmID string) (name string, a session.Attention, ok bool)
	// Reach finds a session whose agent can be asked.
	Reach(ctx context.Context, vmName, name string) (session.Session, error)

	Send(ctx context.Context, vmName, name string, p []byte, eof bool) error
	Read(ctx context.Context, vmName, name string, req session.OutputRequest) (session.Output, error)
	Stop(ctx context.Context, vmName, name string, timeout time.Duration) (session.Session, error)
	Kill(ctx context.Context, vmName, name, signal string) (session.Session, error)
	Remove(ctx context.Context, vmName, name string) error
}

// SessionNamed is the path of one session. It is exported because huma does not
// look into embedded fields that are not.
type SessionNamed struct {
	Named
	Session string `path:"session" maxLength:"255" doc:"a name, or a unique prefix of an ID"`
}

type sessionRequest[T any] struct {
	SessionNamed
	Body T
}

func (s *Server) sessionRoutes(a huma.API) {
	at := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: "/vms/{name}/sessions" + path, tag: "sessions", summary: summary}
	}
	start := at("start-session", http.MethodPost, "", "Start a command that survives disconnects")
	start.status = http.StatusCreated
	handle(s, a, start, s.startSession)
	handle(s, a, at("list-sessions", http.MethodGet, "", "List sessions, oldest first"), s.listSessions)
	handle(s, a, at("get-session", http.MethodGet, "/{session}", "Show a session"), s.getSession)
	handleEmpty(s, a, at("remove-session", http.MethodDelete, "/{session}", "Forget a session that has ended, with its output"), s.removeSession)
	handle(s, a, at("wait-session", http.MethodGet, "/{session}/wait", "Answer when the session has ended"), s.waitSession)
	handle(s, a, at("read-session", http.MethodGet, "/{session}/output", "Read what the session wrote"), s.readSession)
	var input huma.RequestBody
	send := at("send-session", http.MethodPost, "/{session}/stdin", "Write to the session's stdin, in one piece")
	send.describe = func(op *huma.Operation) { op.RequestBody = &input }
	handleEmpty(s, a, send, s.sendSession)
	input.Required = false // which huma has set: the end of the input needs no bytes
	handle(s, a, at("stop-session", http.MethodPost, "/{session}/stop", "End a session: SIGTERM, and SIGKILL after a timeout"), s.stopSession)
	handle(s, a, at("kill-session", http.MethodPost, "/{session}/kill", "Send a signal to a session's process group"), s.killSession)
	handle(s, a, at("get-session-channel", http.MethodGet, "/{session}/channel", "Show where the session's agent answers on this host, past the daemon"), s.sessionChannel)
	attach := at("attach-session", http.MethodPost, "/{session}/attach", "Attach to a session (Upgrade: "+api.AttachProtocol+")")
	attach.describe = upgrades("After 101 the stream carries the frames of docs/attach.md.")
	handleStream(s, a, attach, s.attachSession)
}

func sessionBody(vmName string, v session.Session) api.Session {
	body := api.Session{
		ID: v.ID, Name: v.Name, VM: vmName, State: string(v.State), Mode: string(v.Mode), Command: texts(v.Command), Dir: v.Dir,
		User: v.User, Signal: v.Signal, LastError: v.LastError, Warning: v.Warning, StdinBytes: v.StdinBytes,
		StdoutBytes: v.StdoutBytes, StderrBytes: v.StderrBytes, StdoutDropped: v.StdoutDropped, StderrDropped: v.StderrDropped,
		Attention: attentionBody("", v.Attention),
		Writer:    v.Writer, Readers: v.Readers, CreatedAt: v.CreatedAt.UTC(), StartedAt: when(v.StartedAt), EndedAt: when(v.EndedAt),
	}
	if v.State == session.Exited {
		body.ExitCode = &v.ExitCode
	}
	return body
}

// attentionBody is nil where it is not known.
func attentionBody(sessionName string, a session.Attention) *api.Attention {
	if a.State == "" {
		return nil
	}
	body := &api.Attention{State: string(a.State), Why: string(a.Why), Text: a.Text, Since: a.Since.UTC(), Session: sessionName}
	if a.Exited {
		body.ExitCode, body.Signal = &a.ExitCode, a.Signal
	}
	return body
}

// attended is a VM's body with what its sessions need.
func (s *Server) attended(body api.VM) api.VM {
	if name, a, ok := s.Sessions.VMAttention(body.ID); ok {
		body.Attention = attentionBody(name, a)
	}
	return body
}

// sessionAnswer is a session's body with its VM's name.
func (s *Server) sessionAnswer(ctx context.Context, sess session.Session, err error) (api.Session, error) {
	if err != nil {
		return api.Session{}, err
	}
	v, err := s.VMs.Get(ctx, sess.VMID)
	return sessionBody(v.Name, sess), err
}

func (s *Server) startSession(ctx context.Context, in *vmRequest[api.StartSession]) (api.Session, error) {
	sess, err := s.Sessions.Start(ctx, in.Name, startRequest(in.Body))
	return s.sessionAnswer(ctx, sess, err)
}

func startRequest(body api.StartSession) session.StartRequest {
	req := session.StartRequest{
		Name: body.Name, Command: body.Command, Mode: session.Pipe, Dir: body.Dir, Env: body.Env, User: body.User,
		Require: body.Require, Rows: body.Rows, Cols: body.Cols, KeepBytes: body.KeepBytes,
	}
	if body.TTY {
		req.Mode = session.TTY
	}
	return req
}

func (s *Server) listSessions(ctx context.Context, in *Named) (api.List[api.Session], error) {
	v, err := s.VMs.Get(ctx, in.Name)
	if err != nil {
		return api.List[api.Session]{}, err
	}
	all, err := s.Sessions.List(ctx, v.ID)
	return listOf(all, func(sess session.Session) api.Session { return sessionBody(v.Name, sess) }), err
}

func (s *Server) getSession(ctx context.Context, in *SessionNamed) (api.Session, error) {
	sess, err := s.Sessions.Get(ctx, in.Name, in.Session)
	return s.sessionAnswer(ctx, sess, err)
}

func (s *Server) removeSession(ctx context.Context, in *SessionNamed) error {
	return s.Sessions.Remove(ctx, in.Name, in.Session)
}

func (s *Server) waitSession(ctx context.Context, in *SessionNamed) (api.Session, error) {
	ctx, cancel := s.untilEnd(ctx)
	defer cancel()
	sess, err := s.Sessions.Wait(ctx, in.Name, in.Session)
	if err != nil && ctx.Err() != nil {
		return api.Session{}, fault.Wrap(fault.Unavailable, err, "the daemon is shutting down; the session keeps running")
	}
	return s.sessionAnswer(ctx, sess, err)
}

type readSessionRequest struct {
	SessionNamed
	Stream string  `query:"stream" enum:"stdout,stderr" default:"stdout"`
	Offset int64   `query:"offset" default:"-1" minimum:"-1" doc:"where to begin; -1: the oldest that is kept"`
	Max    int     `query:"max" minimum:"0" doc:"bytes; 0: as many as go in one answer (256 KiB)"`
	Wait   float64 `query:"wait_seconds" minimum:"0" maximum:"15" doc:"how long to wait for output if there is none yet"`
}

func (s *Server) readSession(ctx context.Context, in *readSessionRequest) (api.SessionOutput, error) {
	ctx, cancel := s.untilEnd(ctx)
	defer cancel()
	out, err := s.Sessions.Read(ctx, in.Name, in.Session, session.OutputRequest{
		Stderr: in.Stream == "stderr", Offset: in.Offset, Max: in.Max, Wait: time.Duration(in.Wait * float64(time.Second)),
	})
	return api.SessionOutput{
		Offset: out.Offset, Next: out.Offset + int64(len(out.Data)), Lost: out.Lost, End: out.End, Data: out.Data, Ended: out.Ended,
	}, err
}

type sendSessionRequest struct {
	SessionNamed
	EOF     bool `query:"eof" doc:"end the input after this; on a terminal, ^D"`
	RawBody []byte
}

func (s *Server) sendSession(ctx context.Context, in *sendSessionRequest) error {
	if n := len(in.RawBody); n > agentrpc.MaxSend {
		return fault.New(fault.Invalid, "%d bytes are too many for one call", n).
			WithHint("send at most %d bytes at a time", agentrpc.MaxSend)
	}
	return s.Sessions.Send(ctx, in.Name, in.Session, in.RawBody, in.EOF)
}

func (s *Server) stopSession(ctx context.Context, in *sessionRequest[*api.StopSession]) (api.Session, error) {
	var seconds *float64
	if in.Body != nil {
		seconds = in.Body.TimeoutSeconds
	}
	timeout, err := timeoutOf(seconds, defaultSessionStop, agentrpc.MaxStop)
	if err != nil {
		return api.Session{}, err
	}
	sess, err := s.Sessions.Stop(ctx, in.Name, in.Session, timeout)
	return s.sessionAnswer(ctx, sess, err)
}

func (s *Server) killSession(ctx context.Context, in *sessionRequest[*api.KillSession]) (api.Session, error) {
	signal := ""
	if in.Body != nil {
		signal = in.Body.Signal
	}
	sess, err := s.Sessions.Kill(ctx, in.Name, in.Session, signal)
	return s.sessionAnswer(ctx, sess, err)
}

func (s *Server) sessionChannel(ctx context.Context, in *SessionNamed) (api.Channel, error) {
	sess, err := s.Sessions.Reach(ctx, in.Name, in.Session)
	if err != nil {
		return api.Channel{}, err
	}
	at, err := s.channel(ctx, &Named{Name: sess.VMID})
	at.Session = sess.ID
	return at, err
}

type attachRequest struct {
	SessionNamed
	Upgrade string `header:"Upgrade"`
	Body    api.AttachSession
}

func (s *Server) attachSession(ctx context.Context, in *attachRequest) (func(http.ResponseWriter, *http.Request), error) {
	if err := checkUpgrade(in.Upgrade, api.AttachProtocol); err != nil {
		return nil, err
	}
	sess, err := s.Sessions.Reach(ctx, in.Name, in.Session)
	if err != nil {
		return nil, err
	}
	guest, err := s.Guests.AttachSession(ctx, sess.VMID, sess.ID, agentrpc.SessionAttach(in.Body))
	if err != nil {
		return nil, err
	}
	return s.splice(guest, api.AttachProtocol, ""), nil
}
