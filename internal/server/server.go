// Package server is bangerd's API: HTTP and JSON under /v1 on the unix socket,
// long work as operations with server-sent events, streams by HTTP Upgrade.
// It parses, calls a service, and prints; it decides nothing. Reads change nothing.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/event"
)

// Options of New. Log, PeerUID and the timeouts may be left out.
type Options struct {
	Services Services
	Build    buildinfo.Info
	Log      *slog.Logger
	// StateDir, when set, refuses requests that name another (api.StateHeader).
	StateDir string
	// Scope, if set, returns ctx with the configuration that holds for a request:
	// the one sent (api.SettingsHeader), if any. changes says that the request may
	// change something.
	Scope func(ctx context.Context, sent string, changes bool) (context.Context, error)
	// UID is the only user that is served. PeerUID tells whose process is at
	// the other end; nil means SO_PEERCRED.
	UID     int
	PeerUID func(net.Conn) (int, error)
	// InputTimeout is how long an operation that needs input waits for its
	// first byte. Zero means 30 s.
	InputTimeout time.Duration
	// ReaderTimeout is how long one write may take a client of the events, which is
	// cut then. Zero means 10 s.
	ReaderTimeout time.Duration
}

// Server serves the API. Make it with New.
type Server struct {
	Services
	uid    int
	log    *slog.Logger
	inputs *inputs
	http   *http.Server
	// cancel ends all requests; ending is closed before, when Shutdown begins,
	// and ends those that would otherwise go on for ever.
	cancel  context.CancelFunc
	ending  chan struct{}
	end     sync.Once
	streams sync.WaitGroup
	relays  relays
	sampler *event.Sampler
	// readerLimit is Options.ReaderTimeout.
	readerLimit time.Duration
}

// New returns a server that is not serving yet. Requests have ctx's values, but
// do not end with it: see Shutdown.
func New(ctx context.Context, opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.PeerUID == nil {
		opts.PeerUID = peerUID
	}
	if opts.InputTimeout == 0 {
		opts.InputTimeout = 30 * time.Second
	}
	if opts.ReaderTimeout == 0 {
		opts.ReaderTimeout = 10 * time.Second
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{
		Services: opts.Services, uid: opts.UID, log: opts.Log, inputs: newInputs(opts.InputTimeout),
		cancel: cancel, ending: make(chan struct{}), readerLimit: opts.ReaderTimeout,
	}
	s.sampler = event.NewSampler(s.sample, pauseAfter)
	mux := http.NewServeMux()
	s.register(newAPI(mux))
	s.http = &http.Server{
		Handler:           s.wrap(mux, opts),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       peerContext(opts.PeerUID),
		ErrorLog:          slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers on l until Shutdown, and closes it. It returns nil after Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops accepting, ends the streams (logs, events, upgraded
// connections), and lets other requests finish until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end.Do(func() { close(s.ending) })
	err := s.http.Shutdown(ctx)
	s.cancel()
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.streams.Wait()
	s.sampler.Wait()
	return err
}

// untilEnd returns ctx, ended also when Shutdown begins.
func (s *Server) untilEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
