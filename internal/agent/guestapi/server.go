// Package guestapi serves the agent's HTTP API on port 1025 of the channel: it checks
// the VM's token, parses, calls what does the work, and answers.
//
//   - server.go has the server, the routes that are no session's, health and processes;
//     upgrade.go turns a request into a stream.
//   - exec.go runs a command for as long as its connection lasts. exec_frames.go and
//     stdin.go are the two directions of its bytes.
//   - session_routes.go and session_attach.go serve agent/session.
//   - workspace.go serves agent/workspace, copy.go agent/transfer.
//   - dial.go connects to open ports in the guest, and says which process has a local port.
package guestapi

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/processes"
	"github.com/bangervm/banger/internal/agent/session"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/httpjson"
	"github.com/bangervm/banger/internal/stream"
)

const (
	headerTimeout = 30 * time.Second
	maxHeader     = 16 << 10
	maxBody       = 1 << 20
)

// Identity is what Configure gave the guest, as far as the API needs it.
type Identity struct {
	Token    string
	Commands command.Defaults
}

// Server is the API's handler. Until SetIdentity, it answers /healthz only.
type Server struct {
	log      *slog.Logger
	health   func() agentrpc.Health
	owner    func(proto string, port uint16) agentrpc.Owner
	identity atomic.Pointer[Identity]
	mux      *http.ServeMux
	sessions *session.Registry
}

// New makes a Server; health says how the guest is, owner whose the local port
// of a protocol is.
func New(log *slog.Logger, health func() agentrpc.Health, owner func(proto string, port uint16) agentrpc.Owner) *Server {
	s := &Server{log: log, health: health, owner: owner, mux: http.NewServeMux(), sessions: session.New()}
	s.mux.HandleFunc("GET "+agentrpc.PathHealth, s.serveHealth)
	s.mux.HandleFunc("POST "+agentrpc.PathExec, s.serveExec)
	s.mux.HandleFunc("POST "+agentrpc.PathWorkspace, s.serveWorkspace)
	s.mux.HandleFunc("POST "+agentrpc.PathCopy, s.serveCopy)
	s.mux.HandleFunc("POST "+agentrpc.PathDial, s.serveDial)
	s.mux.HandleFunc("GET "+agentrpc.PathSocket, s.serveSocket)
	s.mux.HandleFunc("GET "+agentrpc.PathProcesses, s.serveProcesses)
	s.sessionRoutes()
	return s
}

// SetIdentity opens the API to the bearer of the token.
func (s *Server) SetIdentity(id Identity) { s.identity.Store(&id) }

// ServeConn serves one connection until it ends, and closes it.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	l := &oneConn{conn: conn, done: make(chan struct{})}
	srv := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := srv.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("the API connection ended", "err", err)
	}
}

// oneConn is a listener with one connection. Its second Accept fails when that
// connection is closed, by the server or by the hijacker.
type oneConn struct {
	conn net.Conn
	took atomic.Bool
	shut atomic.Bool
	done chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.took.Swap(true) {
		return &tracked{Conn: l.conn, l: l}, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error { return nil }

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

type tracked struct {
	net.Conn
	l *oneConn
}

// CloseWrite ends this side's half of the connection.
func (t *tracked) CloseWrite() error {
	return stream.CloseWrite(t.Conn)
}

func (t *tracked) Close() error {
	err := t.Conn.Close()
	if !t.l.shut.Swap(true) {
		close(t.l.done)
	}
	return err
}

func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	httpjson.Answer(w, http.StatusOK, s.health())
}

func (s *Server) serveProcesses(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.authorised(w, r); !ok {
		return
	}
	list, err := processes.List("/proc")
	if err != nil {
		replyError(w, http.StatusServiceUnavailable, "unavailable", err.Error())
		return
	}
	httpjson.Answer(w, http.StatusOK, list)
}

// authorised returns the identity when the request bears its token.
func (s *Server) authorised(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	id := s.identity.Load()
	if id == nil {
		replyError(w, http.StatusServiceUnavailable, "unavailable", "the guest is not configured yet")
		return Identity{}, false
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || id.Token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(id.Token)) != 1 {
		replyError(w, http.StatusUnauthorized, "permission_denied", "wrong or missing bearer token")
		return Identity{}, false
	}
	return *id, true
}

func replyError(w http.ResponseWriter, status int, code, message string) {
	httpjson.Answer(w, status, map[string]string{"code": code, "message": message})
}
