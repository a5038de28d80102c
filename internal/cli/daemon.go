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
	return a.group("daemon", "Manage the daemon",
		"Manage bangerd, the daemon. Commands start it when they need it, and VMs keep running when it stops.",
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
		Use: "status", Short: "Show daemon status",
		Long:    "Show daemon status. The exit status is 6 if the daemon is not running. This command does not start it.",
		Example: "  banger daemon status\n  banger daemon status -o json",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
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
		return fault.New(fault.Unavailable, "bangerd is not running").WithHint("banger daemon start")
	}
	return &statusError{status: statusUnavailable}
}

func (a *App) daemonStartCommand() *cobra.Command {
	return &cobra.Command{
		Use: "start", Short: "Start the daemon",
		Long:    "Start the daemon. You rarely need this: a command that needs the daemon starts it.",
		Example: "  banger daemon start\n  banger daemon start && banger daemon status",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
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
				return a.print("bangerd is already running\n")
			}
			return a.print("bangerd started\n")
		},
	}
}

func (a *App) daemonStopCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "stop", Short: "Stop the daemon (VMs keep running)",
		Long: "Stop the daemon. VMs, sessions and connections with exec and ssh keep running; commands that follow logs end. The next\n" +
			"command that needs the daemon starts it.\n\n" +
			"Use --force to stop it while operations are in progress or clients use connections through the daemon.",
		Example: "  banger daemon stop\n  banger daemon stop --force",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
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
				return a.print("bangerd is not running\n")
			}
			return a.print("bangerd stopped\n")
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "cancel operations in progress and cut connections")
	return cmd
}
