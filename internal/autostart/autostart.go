// Package autostart sees to it that a daemon answers: it starts bangerd when
// none does, and replaces one of an older build. Neither touches VMs.
package autostart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// Options say which daemon is meant, and which one to start.
type Options struct {
	Dirs statedir.Dirs
	Self buildinfo.Info // the client's build
	// Socket, when set, is another daemon's: it is only dialled, never started
	// or replaced. Empty means Dirs.Socket().
	Socket string
	// Settings, if set, makes the client's configuration for each request: see
	// client.Client.
	Settings func() (string, error)
	// Bangerd is the path of the executable; empty: see Find.
	Bangerd string
	// Warn gets a line when an older daemon has to be used as it is. Nil: nobody does.
	Warn io.Writer
}

// pingTimeout bounds a question that a daemon answers from memory; endTimeout how
// long one that agreed to end may take.
const (
	pingTimeout = 10 * time.Second
	endTimeout  = 30 * time.Second
	lockPoll    = 10 * time.Millisecond
)

func (o Options) socket() string {
	if o.Socket != "" {
		return o.Socket
	}
	return o.Dirs.Socket()
}

// Client returns a client of the daemon that is meant. It connects with the
// first call, and starts nothing.
func (o Options) Client() *client.Client {
	c := client.New(o.socket())
	if o.Socket == "" {
		c.StateDir = o.Dirs.State
		c.Dial = o.Dirs.DialDaemon
	}
	c.Settings = o.Settings
	return c
}

// Ensure returns a client of a daemon that answers. It starts one when none
// listens and waits until it is ready, and it replaces one of an older build
// unless that one is busy. The caller closes the client.
func Ensure(ctx context.Context, opts Options) (*client.Client, error) {
	c := opts.Client()
	if err := ensure(ctx, c, opts); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func ensure(ctx context.Context, c *client.Client, opts Options) error {
	if opts.Settings != nil { // a mistake in the configuration is told before a daemon is started
		if _, err := opts.Settings(); err != nil {
			return err
		}
	}
	ping, err := quickPing(ctx, c)
	if opts.Socket != "" {
		if err != nil {
			return err
		}
		return fits(ping)
	}
	if err == nil && !outdated(ping, opts.Self) {
		return fits(ping)
	}
	if err != nil && !errors.Is(err, client.ErrNoDaemon) {
		return err
	}
	_, err = startLocked(ctx, c, opts)
	return err
}

// Start starts a daemon if none answers, or replaces an older one, and reports
// whether it did.
func Start(ctx context.Context, opts Options) (started bool, err error) {
	c := opts.Client()
	defer c.Close()
	return startLocked(ctx, c, opts)
}

// Stop asks the daemon to end and waits until it has. It reports false when
// none ran. Busy, unless forced, while operations are under way.
func Stop(ctx context.Context, opts Options, force bool) (stopped bool, err error) {
	c := opts.Client()
	defer c.Close()
	switch err := askToEnd(ctx, c, force); {
	case errors.Is(err, client.ErrNoDaemon):
		return false, nil
	case err != nil:
		return false, err
	}
	if opts.Socket != "" {
		return true, nil
	}
	return true, awaitEnd(ctx, opts.Dirs)
}

func quickPing(ctx context.Context, c *client.Client) (api.Ping, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	ping, err := c.Ping(ctx)
	if died(err) {
		// What answers now, if anything does, is another.
		return c.Ping(ctx)
	}
	return ping, err
}

// askToEnd asks a daemon to end. One that dies instead of an answer has ended,
// too. One that does not answer is not waited for: the caller may hold the lock
// that every other command line needs to start a daemon.
func askToEnd(ctx context.Context, c *client.Client, force bool) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := c.StopDaemon(ctx, api.StopDaemon{Force: force})
	if died(err) {
		return nil
	}
	return err
}

// died reports whether a daemon that was dying took the connection.
func died(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// fits refuses a daemon that this client cannot talk to.
func fits(ping api.Ping) error {
	if ping.Protocol >= api.Protocol {
		return nil
	}
	return fault.New(fault.Conflict, "bangerd %s speaks protocol %d, this banger needs %d", ping.Version, ping.Protocol, api.Protocol).
		WithHint("%s, then try again", act.DaemonStop.Do())
}

// outdated reports whether the daemon's build is surely older than self.
func outdated(ping api.Ping, self buildinfo.Info) bool {
	return buildinfo.Older(buildinfo.Info{Version: ping.Version, Commit: ping.Commit, BuiltAt: ping.BuiltAt}, self)
}

// startLocked looks again under the lock, since another command line may have
// done all this meanwhile.
func startLocked(ctx context.Context, c *client.Client, opts Options) (started bool, err error) {
	if err := opts.Dirs.Ensure(); err != nil {
		return false, fmt.Errorf("make banger's directories: %w", err)
	}
	lock := flock.New(opts.Dirs.StartLock(), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return false, fmt.Errorf("wait for another banger that starts the daemon: %w", err)
	}
	defer func() { _ = lock.Close() }()
	ping, err := quickPing(ctx, c)
	switch {
	case err == nil && !outdated(ping, opts.Self):
		return false, fits(ping)
	case err == nil:
		replaced, err := endOld(ctx, c, ping, opts)
		if err != nil || !replaced {
			return false, err
		}
	case !errors.Is(err, client.ErrNoDaemon):
		return false, err
	}
	return true, launch(ctx, c, opts)
}

// endOld ends the older daemon. It reports false when that one must be used as
// it is: it is busy, or it is of the very executable that would be started.
func endOld(ctx context.Context, c *client.Client, ping api.Ping, opts Options) (bool, error) {
	path, err := opts.bangerd()
	if err != nil {
		return false, err
	}
	if runs(ping.PID, path) {
		return false, fits(ping)
	}
	err = askToEnd(ctx, c, false)
	switch {
	case errors.Is(err, fault.Busy):
		if opts.Warn != nil {
			_, _ = fmt.Fprintf(opts.Warn, "banger: bangerd %s is older than this build, but busy; banger replaces it when it has finished\n", ping.Version)
		}
		return false, fits(ping)
	case err != nil && !errors.Is(err, client.ErrNoDaemon):
		return false, err
	}
	c.Close() // its idle connections lead to the old one
	return true, awaitEnd(ctx, opts.Dirs)
}

// awaitEnd returns when no daemon holds the daemon's lock. It takes the lock
// for an instant; a daemon that starts just then tries again.
func awaitEnd(ctx context.Context, dirs statedir.Dirs) error {
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	lock := flock.New(dirs.Lock(), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return fault.Wrap(fault.Unavailable, err, "bangerd has not ended").Try(act.DaemonLogs.Do())
	}
	return lock.Close()
}
