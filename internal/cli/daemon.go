package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/autostart"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) daemonCommand() *cobra.Command {
	return a.group("daemon", "Look at bangerd, start it or stop it",
		"bangerd owns all state. Commands start it when they need it; VMs live on when it ends.",
		a.daemonStatusCommand(), a.daemonStartCommand(), a.daemonStopCommand(), a.daemonLogsCommand())
}

// daemonStatus is what `daemon status` says; the daemon's own words are absent
// when none runs.
type daemonStatus struct {
	Running bool      `json:"running"`
	Socket  string    `json:"socket"`
	Daemon  *api.Ping `json:"daemon"`
	// SameBuild says that the daemon and this banger are of one build.
	SameBuild bool `json:"same_build"`
}

func (a *App) daemonStatusCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "status", Short: "Say whether the daemon runs, and what it does",
		Long: "Say whether the daemon runs, and what it does. The status is 6 when none runs. It starts none.",
		Args: args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.daemonStatus(cmd.Context(), *f) },
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) daemonStatus(ctx context.Context, f format) error {
	opts, err := a.autostart()
	if err != nil {
		return err
	}
	status := daemonStatus{Socket: socket(opts)}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := opts.Client()
	defer c.Close()
	ping, err := c.Ping(ctx)
	switch {
	case err == nil:
		status.Running, status.Daemon = true, &ping
		theirs := buildinfo.Info{Version: ping.Version, Commit: ping.Commit, BuiltAt: ping.BuiltAt}
		status.SameBuild = buildinfo.Same(theirs, opts.Self)
	case !errors.Is(err, client.ErrNoDaemon):
		return err
	}
	if err := statusView(time.Now()).show(a, f, status); err != nil || status.Running {
		return err
	}
	if f == formatTable {
		return fault.New(fault.Unavailable, "bangerd does not run").WithHint("banger daemon start")
	}
	return &statusError{status: statusUnavailable}
}

func (a *App) daemonStartCommand() *cobra.Command {
	return &cobra.Command{
		Use: "start", Short: "Start the daemon, if none runs",
		Args: args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := a.autostart()
			if err != nil {
				return err
			}
			started, err := autostart.Start(cmd.Context(), opts)
			if err != nil {
				return err
			}
			if !started {
				return a.print("bangerd runs already\n")
			}
			return a.print("bangerd started\n")
		},
	}
}

func (a *App) daemonStopCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "stop", Short: "Stop the daemon; VMs live on",
		Long: "Stop the daemon. VMs live on, and what runs in them by exec, ssh and session too; the next command starts a daemon\n" +
			"that finds them. It is refused without --force while operations are under way, or while streams pass through the\n" +
			"daemon that would be cut (of clients that do not connect to VMs by themselves). What follows logs ends.",
		Args: args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := a.autostart()
			if err != nil {
				return err
			}
			stopped, err := autostart.Stop(cmd.Context(), opts, force)
			if err != nil {
				return err
			}
			if !stopped {
				return a.print("bangerd does not run\n")
			}
			return a.print("bangerd stopped\n")
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "cancel the operations under way, and cut streams")
	return cmd
}
