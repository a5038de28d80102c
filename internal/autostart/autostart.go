// Package autostart sees to it that a daemon answers: it starts bangerd when
// none does, and replaces one of an older build. VMs are not touched by either.
package autostart

import (
	"context"
	"io"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// Options of Ensure.
type Options struct {
	Dirs    statedir.Dirs
	Self    buildinfo.Info // the client's build
	Socket  string         // empty: Dirs.Socket(). Set: never start or replace a daemon, only dial
	Bangerd string         // path of the executable; empty: found by Find
	Warn    io.Writer      // where a warning line goes; nil: nowhere
}

// Ensure returns a client of a daemon that answers, of this build or a newer
// one where that can be had. It starts one when none listens, and waits until
// it is ready.
func Ensure(ctx context.Context, opts Options) (*client.Client, error) {
	return nil, fault.New(fault.Internal, "not written yet")
}

// Start starts a daemon if none answers, and reports whether it did.
func Start(ctx context.Context, opts Options) (started bool, err error) {
	return false, fault.New(fault.Internal, "not written yet")
}

// Stop asks the daemon to end and waits until its lock is free. It reports
// false when none ran. Busy, unless forced, while operations are under way.
func Stop(ctx context.Context, opts Options, force bool) (stopped bool, err error) {
	return false, fault.New(fault.Internal, "not written yet")
}

// Find returns the path of bangerd: BANGER_BANGERD, or beside this executable,
// or on PATH.
func Find() (string, error) {
	return "", fault.New(fault.Internal, "not written yet")
}
