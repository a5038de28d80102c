package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/mcp"
)

func (a *App) mcpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Run an MCP server for coding agents",
		Long: "Run an MCP server for coding agents.\n\nIt is a Model Context Protocol server on stdin and stdout. Your coding agent starts it. Its tools create VMs, run\n" +
			"commands in them, and copy files and git work trees.",
		Example:           "  banger mcp\n  claude mcp add banger -- banger mcp",
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop, err := whenUnread(a.Out, func() { cancel(errUnread) })
	if err != nil {
		return err
	}
	defer stop()
	err = mcp.New(mcp.Through(c), buildinfo.Current().Version, cmdline.Line).Serve(ctx, a.In, a.Out)
	if errors.Is(context.Cause(ctx), errUnread) {
		return nil
	}
	return err
}

// errUnread is why a context ended whose output nobody reads any more.
var errUnread = errors.New("nobody reads the output")
