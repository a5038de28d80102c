package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/mcp"
)

func (a *App) mcpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Run an MCP server that gives agents VMs",
		Long: "Run a server of the Model Context Protocol on stdin and stdout, until stdin ends and all that came is answered.\n" +
			"The agent's program starts it.\n" +
			"Its tools create VMs, run commands and sessions in them, and copy files and git work trees in and out.",
		Example:           `  claude mcp add banger -- banger mcp`,
		Args:              args(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.serveMCP(cmd.Context()) },
	}
}

func (a *App) serveMCP(ctx context.Context) error {
	c, err := a.lastingDaemon()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, stop, err := untilUnread(ctx, a.Out)
	if err != nil {
		return err
	}
	defer stop()
	err = mcp.New(mcp.Through(c, mcpFiles{c}), buildinfo.Current().Version).Serve(ctx, a.In, a.Out)
	if errors.Is(context.Cause(ctx), errUnread) {
		return nil
	}
	return err
}

// errUnread is why a context ended whose output nobody reads any more.
var errUnread = errors.New("nobody reads the output")

// untilUnread returns a context that ends when the other end of a pipe or socket is
// closed. stop frees what it takes.
func untilUnread(ctx context.Context, out *os.File) (watched context.Context, stop func(), err error) {
	raw, err := out.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	woken, wake, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		_ = raw.Control(func(fd uintptr) {
			if closedElsewhere(int32(fd), int32(woken.Fd())) {
				cancel(errUnread)
			}
		})
	})
	return ctx, func() {
		_ = wake.Close()
		done.Wait()
		_ = woken.Close()
		cancel(nil)
	}, nil
}

// closedElsewhere waits until the other end of fd is closed, or that of stop is.
func closedElsewhere(fd, stop int32) bool {
	for {
		fds := []unix.PollFd{{Fd: fd}, {Fd: stop}}
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || fds[1].Revents != 0:
			return false
		}
		return fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	}
}

// lastingDaemon returns a client for a long time: the first call makes sure of
// a daemon that is not older than this program, and each later one starts a
// daemon where none listens.
func (a *App) lastingDaemon() (*client.Client, error) {
	opts, err := a.configured()
	if err != nil {
		return nil, err
	}
	c := opts.Client()
	dial := c.Dial
	var ensured atomic.Bool
	c.Dial = func(ctx context.Context) (net.Conn, error) {
		if ensured.Load() {
			conn, err := dial(ctx)
			if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
				return conn, err
			}
		}
		started, err := autostart.Ensure(ctx, opts)
		if err != nil {
			return nil, err
		}
		started.Close()
		ensured.Store(true)
		return dial(ctx)
	}
	return c, nil
}
