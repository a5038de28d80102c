package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/plain"
)

// versions are the builds of both ends; the daemon's is null when none runs.
type versions struct {
	Client buildinfo.Info  `json:"client"`
	Daemon *buildinfo.Info `json:"daemon"`
}

func (a *App) versionCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use: "version", Short: "Print the versions of banger and the daemon",
		Example: "  banger version\n  banger version -o json",
		Args:    args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.version(cmd.Context(), *f) },
	}
	f = formatFlag(cmd)
	return cmd
}

func (a *App) version(ctx context.Context, f format) error {
	c, err := a.present()
	if err != nil {
		return err
	}
	v := versions{Client: buildinfo.Current()}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	ping, err := c.Ping(ctx)
	switch {
	case err == nil:
		v.Daemon = &buildinfo.Info{Version: ping.Version, Commit: ping.Commit, BuiltAt: ping.BuiltAt}
	case !errors.Is(err, client.ErrNoDaemon):
		a.say("note: cannot get the daemon's version: " + plain.Line(err.Error(), maxShown))
	}
	return versionView().show(a, f, v)
}

func versionView() view[versions] {
	return view[versions]{
		name: func(v versions) string { return v.Client.Version },
		fields: []column[versions]{
			{head: "banger", cell: func(v versions) string { return buildText(v.Client) }},
			{head: "bangerd", cell: func(v versions) string {
				if v.Daemon == nil {
					return "not running"
				}
				return buildText(*v.Daemon)
			}},
		},
	}
}

// buildText is "1.2.3 (0123456789ab, 2026-01-02T03:04:05Z)".
func buildText(i buildinfo.Info) string {
	text := i.Version
	switch built := timeText(&i.BuiltAt); {
	case i.Commit != "" && built != "":
		text += " (" + idText(i.Commit) + ", " + built + ")"
	case i.Commit != "" || built != "":
		text += " (" + idText(i.Commit) + built + ")"
	}
	return text
}
