// Package daemon is bangerd: it wires every package to the others, serves the
// API, and shuts down cleanly. VMs keep running when it does.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/boundlog"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/config"
	"github.com/bangervm/banger/internal/event"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/statedir"
)

const (
	// lockWait is how long to wait for the lock: a client that sees to it that
	// the daemon before has ended holds it for an instant.
	lockWait = 2 * time.Second
	// workGrace bounds how long cancelled operations may take to undo what they
	// did, requestGrace how long requests under way may.
	workGrace    = 20 * time.Second
	requestGrace = 3 * time.Second
	// gcPercent keeps the heap of a daemon that mostly waits small.
	gcPercent = 40
	// maxLog bounds bangerd.log, in bytes; with bangerd.log.1 it is twice that.
	maxLog = 8 << 20
)

// Command is `bangerd` without arguments: it serves until SIGTERM, SIGINT or
// the API's stop, and returns the process's exit status. stderr gets the log.
func Command(stderr io.Writer) int {
	debug.SetGCPercent(gcPercent)
	syscall.Umask(0o077)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	level := new(slog.LevelVar)
	log := slog.New(ownLog(stderr, level))
	parent := openParent()
	err := run(ctx, log, level, parent.ready)
	parent.failed(err)
	if err != nil {
		log.Error("bangerd ends", "error", err, "hint", fault.HintOf(err))
		return 1
	}
	return 0
}

// ownLog is bounded in its rate, since guests cause some of it, and in its size
// where it is the file in the state directory.
func ownLog(stderr io.Writer, level slog.Leveler) slog.Handler {
	if dirs, err := statedir.FromEnv(); err == nil {
		stderr = boundlog.Stderr(dirs.Log(), maxLog, stderr)
	}
	return boundlog.NewHandler(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
}

// run serves until ctx ends. It calls ready once the API answers.
func run(ctx context.Context, log *slog.Logger, level *slog.LevelVar, ready func()) error {
	dirs, err := statedir.FromEnv()
	if err != nil {
		return err
	}
	if err := dirs.Ensure(); err != nil {
		return fmt.Errorf("make banger's directories: %w", err)
	}
	cfg, _, err := config.Load(dirs)
	if err != nil {
		return err
	}
	level.Set(cfg.LogLevel)
	unlock, err := takeLock(ctx, dirs)
	if err != nil {
		return err
	}
	defer unlock()
	// Nothing else is to be kept busy by the daemon's working directory.
	if err := os.Chdir(dirs.State); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return serve(ctx, stop, &settings{dirs: dirs, level: level, latest: cfg}, log, ready)
}

func serve(ctx context.Context, stop func(), set *settings, log *slog.Logger, ready func()) error {
	build, dirs := buildinfo.Current(), set.dirs
	d, err := wire(ctx, set, build, log)
	if err != nil {
		return err
	}
	d.stop = stop
	srv := server.New(ctx, server.Options{Services: d.services(), Build: build, Log: log, UID: os.Getuid(), StateDir: dirs.State, Scope: set.scope})
	listener, err := listen(dirs)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on %s: %w", dirs.Socket(), err), d.close())
	}
	var serving sync.WaitGroup
	var served error
	serving.Go(func() {
		served = srv.Serve(listener)
		stop()
	})
	if err := dirs.LinkSocket(ctx); err != nil {
		log.Warn("the API's socket has no link in the runtime directory", "error", err)
	}
	d.feed.DaemonChanged(event.Started, build)
	log.Info("bangerd serves", "version", build.Version, "commit", build.Commit, "pid", os.Getpid(), "socket", dirs.Socket())
	d.web.serve(ctx, set.of(ctx).Web.Listen)
	ready()
	<-ctx.Done()
	d.web.close() // before the API, which it stands on
	err = d.end(context.WithoutCancel(ctx), srv, dirs)
	serving.Wait()
	log.Info("bangerd has ended")
	return errors.Join(served, err)
}

// listen takes the socket: this daemon's lock says that no other has it.
func listen(dirs statedir.Dirs) (net.Listener, error) {
	l, err := statedir.ListenUnix(dirs.Socket())
	if err != nil {
		return nil, err
	}
	return l.UnixListener, nil // the server refuses other users, and tells them why
}

// end ends everything in order: first the work (its watchers see how), then the
// API, then what both stand on.
func (d *daemon) end(ctx context.Context, srv *server.Server, dirs statedir.Dirs) error {
	d.feed.DaemonChanged(event.Stopping, d.build)
	work, cancelWork := context.WithTimeout(ctx, workGrace)
	defer cancelWork()
	err := d.runner.Shutdown(work)
	requests, cancelRequests := context.WithTimeout(ctx, requestGrace)
	defer cancelRequests()
	if shutErr := srv.Shutdown(requests); shutErr != nil && !errors.Is(shutErr, context.DeadlineExceeded) {
		err = errors.Join(err, shutErr)
	}
	err = errors.Join(err, dirs.UnlinkSocket())
	return errors.Join(err, d.close())
}
