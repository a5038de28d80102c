package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) sessionStopCommand() *cobra.Command {
	var timeout *optional[float64]
	cmd := a.sessionVerb("stop NAME SESSION", "Stop a session",
		"  banger vm session stop box agent\n  banger vm session stop box agent --timeout 30s", []string{api.SessionRunning},
		a.did("stopped"),
		func(ctx context.Context, c *client.Client, vm, name string) (api.Session, error) {
			return c.StopSession(ctx, vm, name, api.StopSession{TimeoutSeconds: timeout.value})
		})
	cmd.Long = "Stop a session: send SIGTERM to its process group, and SIGKILL after a timeout."
	timeout = timeoutFlag(cmd, "time to wait before SIGKILL (default 10s)")
	return cmd
}

func (a *App) sessionKillCommand() *cobra.Command {
	var signal *optional[string]
	cmd := a.sessionVerb("kill NAME SESSION", "Send a signal to the process group of a session",
		"  banger vm session kill box agent\n  banger vm session kill box agent --signal INT", []string{api.SessionRunning},
		func(f format, s api.Session) error {
			if f == formatTable {
				return nil
			}
			return sessionView(time.Now()).show(a, f, s)
		},
		func(ctx context.Context, c *client.Client, vm, name string) (api.Session, error) {
			return c.KillSession(ctx, vm, name, api.KillSession{Signal: signal.or("")})
		})
	signal = optionalFlag(cmd, "signal", "SIGNAL", "signal to send, by name or number (default KILL)", notEmpty)
	return cmd
}

func (a *App) sessionWaitCommand() *cobra.Command {
	cmd := a.sessionVerb("wait NAME SESSION", "Wait until a session ends and print its exit code",
		"  banger vm session wait box agent\n  banger vm session wait box agent -o json", []string{api.SessionRunning},
		func(f format, s api.Session) error {
			if f != formatTable {
				return sessionView(time.Now()).show(a, f, s)
			}
			if s.ExitCode == nil {
				return fault.New(fault.Conflict, "session %s is %s: %s", s.Name, s.State, s.LastError)
			}
			return a.print(strconv.Itoa(*s.ExitCode) + "\n")
		},
		func(ctx context.Context, c *client.Client, vm, name string) (api.Session, error) {
			return c.WaitSession(ctx, vm, name)
		})
	cmd.Long = "Wait until a session ends and print its exit code: 128 plus the signal number if a signal ended it.\n\n" +
		"The exit status of this command is 0 for any exit code, and 4 if the session was lost."
	return cmd
}

func (a *App) sessionRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME SESSION...", Aliases: []string{"rm"}, Short: "Delete ended sessions and their output",
		Example: "  banger vm session delete box agent\n  banger vm session rm box build test",
		Args:    args(2, -1, whichSession), ValidArgsFunction: a.sessionNames(),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.daemon(cmd.Context())
			if err != nil {
				return err
			}
			return a.sideBySide(given[1:], "deleted", func(name string) error {
				return c.RemoveSession(cmd.Context(), given[0], name)
			})
		},
	}
}
