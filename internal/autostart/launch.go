package autostart

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/child"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/stream"
)

// readyTimeout bounds a daemon's start: it reconciles every VM and may wait for
// the daemon before it to end.
const readyTimeout = time.Minute

// maxLog is the size from which the daemon's log is put aside, in bytes.
const maxLog = 8 << 20

// maxReady bounds what a starting daemon says, in bytes.
const maxReady = 64 << 10

// Find returns the path of bangerd: BANGER_BANGERD, or beside this executable,
// or on PATH.
func Find() (string, error) {
	if path := os.Getenv("BANGER_BANGERD"); path != "" {
		return filepath.Abs(path)
	}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		beside := filepath.Join(filepath.Dir(self), "bangerd")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath("bangerd")
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "bangerd is neither next to banger nor on PATH").
			WithHint("install it next to banger, or set BANGER_BANGERD")
	}
	return filepath.Abs(path)
}

func (o Options) bangerd() (string, error) {
	if o.Bangerd != "" {
		return o.Bangerd, nil
	}
	return Find()
}

// runs reports whether the process was started from the file that is at path
// now. A file that was replaced since is another one.
func runs(pid int, path string) bool {
	running, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return false
	}
	file, err := os.Stat(path)
	return err == nil && os.SameFile(running, file)
}

// launch starts bangerd in its own session and returns when it serves.
func launch(ctx context.Context, c *client.Client, opts Options) error {
	path, err := opts.bangerd()
	if err != nil {
		return err
	}
	log, err := openLog(opts.Dirs)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open the daemon's log")
	}
	defer func() { _ = log.Close() }()
	ready, told, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = ready.Close() }()
	cmd := exec.Command(path) //nolint:noctx // the daemon outlives this context
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{told}
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.GiveOnly() // the daemon lives longer than whoever has them open
	err = cmd.Start()
	_ = told.Close()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "start %s", path)
	}
	go func() { _ = cmd.Wait() }() // so that it is no zombie while this process lives
	return settle(ctx, c, awaitReady(ctx, ready), opts)
}

// settle forgives a daemon that did not start because another has, meanwhile.
func settle(ctx context.Context, c *client.Client, err error, opts Options) error {
	if !errors.Is(err, fault.Conflict) {
		return err
	}
	if ping, pingErr := quickPing(ctx, c); pingErr == nil && !outdated(ping, opts.Self) {
		return fits(ping)
	}
	return err
}

// awaitReady reads what the daemon says of its start.
func awaitReady(ctx context.Context, ready *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	stop := stream.Interrupt(ctx, ready.SetReadDeadline)
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(ready, maxReady)).ReadBytes('\n')
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(fault.Canceled, ctx.Err(), "stopped waiting for bangerd to start")
	case ctx.Err() != nil:
		return fault.New(fault.Unavailable, "bangerd was not ready within %s", readyTimeout).Try(act.DaemonLogs.Do())
	case err != nil:
		return fault.New(fault.Unavailable, "bangerd ended before it was ready").Try(act.DaemonLogs.Do())
	case string(line) == api.ReadyLine+"\n":
		return nil
	}
	var p api.Problem
	if err := json.Unmarshal(line, &p); err != nil || p.Code == "" {
		return fault.New(fault.Internal, "bangerd did not report whether it started").Try(act.DaemonLogs.Do())
	}
	return client.Problem(&p)
}

// openLog opens the daemon's log for appending, and puts a big one aside first.
func openLog(dirs statedir.Dirs) (*os.File, error) {
	if info, err := os.Stat(dirs.Log()); err == nil && info.Size() > maxLog {
		if err := os.Rename(dirs.Log(), dirs.OldLog()); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(dirs.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil { // the umask may have taken from it
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
