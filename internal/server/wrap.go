package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/fault"
)

type peerKey struct{}

// peer is who is at the other end of a connection.
type peer struct {
	uid int
	err error
}

// peerContext asks once for each connection.
func peerContext(uid func(net.Conn) (int, error)) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, conn net.Conn) context.Context {
		id, err := uid(conn)
		return context.WithValue(ctx, peerKey{}, peer{uid: id, err: err})
	}
}

// peerUID is the user of the process that connected, by SO_PEERCRED (unix(7)).
func peerUID(conn net.Conn) (int, error) {
	sock, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var sockErr error
	if err := raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if sockErr != nil {
		return 0, sockErr
	}
	return int(cred.Uid), nil
}

// wrap is what every request passes: the peer's user, the build header,
// answers to unknown paths in the API's form, and the containment of panics.
func (s *Server) wrap(mux *http.ServeMux, opts Options) http.Handler {
	build := buildHeader(opts.Build)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(api.BuildHeader, build)
		defer s.recover(w, r)
		who, ok := r.Context().Value(peerKey{}).(peer)
		if !ok || who.err != nil || who.uid != opts.UID {
			s.log.Warn("refused a connection", "uid", who.uid, "error", who.err)
			newProblem(http.StatusForbidden, fault.PermissionDenied,
				"this bangerd serves only user %d, not user %d", opts.UID, who.uid).write(w)
			return
		}
		if meant := r.Header.Get(api.StateHeader); meant != "" && opts.StateDir != "" && meant != opts.StateDir {
			newProblem(http.StatusConflict, fault.Conflict, "the bangerd at this socket keeps its state in %s, not in %s", opts.StateDir, meant).
				withHint(fault.Hintf("set XDG_RUNTIME_DIR to another directory, or stop that daemon")).write(w)
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			unrouted(mux, w, r)
			return
		}
		if opts.Scope != nil && api.HasSettings(r.URL.Path) {
			ctx, err := opts.Scope(r.Context(), r.Header.Get(api.SettingsHeader), r.Method != http.MethodGet)
			if err != nil {
				problemOf(s.log, err).write(w)
				return
			}
			r = r.WithContext(ctx)
		}
		mux.ServeHTTP(w, r)
	})
}

func buildHeader(build buildinfo.Info) string {
	commit, seconds := build.Commit, int64(0)
	if commit == "" {
		commit = "-"
	}
	if !build.BuiltAt.IsZero() {
		seconds = build.BuiltAt.Unix()
	}
	version := strings.Join(strings.Fields(build.Version), "_")
	return version + " " + commit + " " + strconv.FormatInt(seconds, 10)
}

func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	value := recover()
	if value == nil {
		return
	}
	if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) { // an answer under way that must not look whole
		panic(value)
	}
	s.log.Error("panic in a request", "method", r.Method, "path", r.URL.Path, "panic", value, "stack", string(debug.Stack()))
	newProblem(http.StatusInternalServerError, fault.Internal, "internal error").withHint(readLogs()).write(w)
}

// unrouted answers what no endpoint takes.
func unrouted(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	probe := statusProbe{header: http.Header{}}
	mux.ServeHTTP(&probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		w.Header().Set("Allow", allow)
		newProblem(probe.status, fault.Invalid, "%s does not accept %s, only %s", r.URL.Path, r.Method, allow).write(w)
		return
	}
	newProblem(http.StatusNotFound, fault.NotFound, "the API has no %s", r.URL.Path).write(w)
}

// statusProbe is a ResponseWriter that keeps the status and the header only.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }
