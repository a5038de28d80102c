package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/httpjson"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/pace"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

const (
	// maxBody bounds a request's body, in bytes.
	maxBody = 4 << 10
	// eventWrite bounds the writing of one event to a watcher.
	eventWrite = 10 * time.Second
	// eventBurst and eventPause bound the events of one watcher: a guest can change
	// the status as fast as it can talk. The last change is never lost.
	eventBurst = 64
	eventPause = 500 * time.Millisecond
)

// handler is the monitor's HTTP API, as monitorrpc has it.
func handler(s *supervisor, n *hostNet) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+monitorrpc.PathStatus, func(w http.ResponseWriter, _ *http.Request) {
		status, _ := s.board.now()
		httpjson.Answer(w, http.StatusOK, status)
	})
	mux.HandleFunc("GET "+monitorrpc.PathEvents, func(w http.ResponseWriter, r *http.Request) {
		watch(w, r, s.board)
	})
	mux.HandleFunc("POST "+monitorrpc.PathPause, func(w http.ResponseWriter, r *http.Request) {
		conclude(w, http.StatusOK, s.pauseNow(r.Context()))
	})
	mux.HandleFunc("POST "+monitorrpc.PathResume, func(w http.ResponseWriter, r *http.Request) {
		conclude(w, http.StatusOK, s.resumeNow(r.Context()))
	})
	mux.HandleFunc("POST "+monitorrpc.PathSuspend, func(w http.ResponseWriter, r *http.Request) {
		conclude(w, http.StatusOK, s.suspendNow(r.Context()))
	})
	mux.HandleFunc("POST "+monitorrpc.PathStop, func(w http.ResponseWriter, r *http.Request) {
		var body monitorrpc.StopRequest
		err := read(r, &body)
		timeout := time.Duration(body.TimeoutMillis) * time.Millisecond
		if err == nil && (body.TimeoutMillis < 0 || body.TimeoutMillis > vm.MaxStopTimeout.Milliseconds()) {
			err = fault.New(fault.Invalid, "timeout_millis is %d", body.TimeoutMillis)
		}
		if err == nil {
			err = s.stopNow(r.Context(), timeout)
		}
		conclude(w, http.StatusAccepted, err)
	})
	mux.HandleFunc("POST "+monitorrpc.PathKill, func(w http.ResponseWriter, r *http.Request) {
		var body monitorrpc.KillRequest
		err := read(r, &body)
		if err == nil && (body.Signal < 1 || body.Signal > vm.MaxSignal) {
			err = fault.New(fault.Invalid, "signal is %d", body.Signal)
		}
		if err == nil {
			var killed error
			err = errors.Join(s.ask(r.Context(), func() { killed = s.kill(body.Signal) }), killed)
		}
		conclude(w, http.StatusOK, err)
	})
	handleNetwork(mux, s, n)
	return mux
}

// watch streams the status, one JSON object a line, until the last.
func watch(w http.ResponseWriter, r *http.Request, b *board) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	enc := json.NewEncoder(w)
	turns := pace.New(eventBurst, eventPause)
	for turns.Wait(r.Context()) {
		status, changed := b.now()
		if out.SetWriteDeadline(time.Now().Add(eventWrite)) != nil || enc.Encode(status) != nil || out.Flush() != nil {
			return // the watcher has gone
		}
		if status.Phase == monitorrpc.PhaseExited {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func read(r *http.Request, into any) error { return readUpTo(r, maxBody, into) }

func readUpTo(r *http.Request, limit int64, into any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, limit))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fault.Wrap(fault.Invalid, err, "cannot read the request")
	}
	return nil
}

func conclude(w http.ResponseWriter, status int, err error) {
	if err == nil {
		httpjson.Answer(w, status, struct{}{})
		return
	}
	code := fault.CodeOf(err)
	status = http.StatusInternalServerError
	switch code {
	case fault.Invalid:
		status = http.StatusUnprocessableEntity
	case fault.Unavailable:
		status = http.StatusServiceUnavailable
	case fault.NotFound:
		status = http.StatusNotFound
	case fault.Conflict, fault.Busy:
		status = http.StatusConflict
	case fault.PermissionDenied:
		status = http.StatusForbidden
	case fault.Canceled, fault.Internal:
	}
	httpjson.Answer(w, status, fault.ProblemOf(err))
}

// watched has the listener log the first stranger that it does not let in.
func watched(l *statedir.Listener, log *slog.Logger) *statedir.Listener {
	l.Stranger = func(uid int) {
		log.Warn("refused another user at a socket of the monitor", "socket", l.Addr(), "uid", uid)
	}
	return l
}

// serveHTTP serves the API until the returned function is called, which waits
// for the watchers to take the last event, but not for long.
func serveHTTP(ctx context.Context, listener *statedir.Listener, s *supervisor, n *hostNet, log *slog.Logger) (stop func()) {
	server := &http.Server{
		Handler:           handler(s, n),
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(watched(listener, log)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the monitor's socket is gone", "err", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-served
	}
}
