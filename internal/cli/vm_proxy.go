package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/client"
)

// vmProxyCommand is what ssh runs as its ProxyCommand.
func (a *App) vmProxyCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "proxy NAME",
		Short:  "Connect stdin and stdout to the SSH server in a VM",
		Hidden: true,
		Args:   args(1, 1, "the NAME of a VM"),
		RunE: func(cmd *cobra.Command, given []string) error {
			c, err := a.fastDaemon()
			if err != nil {
				return err
			}
			// Names of VMs have no dots.
			return a.vmProxy(cmd.Context(), c, strings.TrimSuffix(given[0], ".vm"))
		},
	}
}

func (a *App) vmProxy(ctx context.Context, c *client.Client, name string) error {
	stream, err := c.DialVM(ctx, name, agentrpc.SSHPort)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	go func() {
		// What breaks here shows in the other direction.
		_, _ = io.Copy(stream, a.In)
		_ = stream.CloseWrite()
	}()
	_, err = io.Copy(a.Out, stream)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
