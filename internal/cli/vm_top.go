package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

func (a *App) vmTopCommand() *cobra.Command {
	var interval *optional[time.Duration]
	var f *format
	cmd := &cobra.Command{
		Use: "top [NAME...]", Short: "Show the resource usage of VMs live",
		Long: "Show the resource usage of VMs live, busiest first. Press q or Ctrl-C to quit.\n\n" +
			"Columns that do not fit the terminal are left out. Without a terminal, or with -o, print everything once.",
		Example: "  banger vm top\n  banger vm top web db --interval 1",
		Args:    args(0, -1, ""), ValidArgsFunction: a.vmNames(-1, api.VMRunning, api.VMPaused),
		RunE: func(cmd *cobra.Command, names []string) error {
			opts := statsOptions{names: names, interval: interval.or(2 * time.Second), byCPU: true, format: *f}
			if cmd.Flags().Changed("output") || !a.canRedraw() || !isTerminal(a.In) {
				opts.interval = interval.or(firstGap)
				return a.statsOnce(cmd.Context(), opts)
			}
			return a.top(cmd.Context(), opts)
		},
	}
	interval = intervalFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

// top has the terminal to itself: another screen, without echo and cursor.
func (a *App) top(ctx context.Context, opts statsOptions) error {
	before, err := term.MakeRaw(int(a.In.Fd()))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { _ = term.Restore(int(a.In.Fd()), before) }()
	if err := a.print("\x1b[?1049h\x1b[?25l"); err != nil {
		return err
	}
	defer func() { _ = a.print("\x1b[?25h\x1b[?1049l") }()
	go func() { // its read ends with the process
		key := make([]byte, 1)
		for {
			n, err := a.In.Read(key)
			if err != nil || n == 1 && strings.ContainsRune("qQ\x03\x1b", rune(key[0])) {
				cancel()
				return
			}
		}
	}()
	err = a.watchStats(ctx, opts, func(shown []client.Usage) error {
		frame, _ := a.statsFrame(shown)
		return a.print("\x1b[H" + strings.ReplaceAll(frame, "\n", "\x1b[K\r\n") + "\x1b[J")
	})
	if ctx.Err() != nil {
		return nil // it was told to end
	}
	return err
}
