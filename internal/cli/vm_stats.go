package cli

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/pace"
)

// firstGap is the time between the two samples of one table.
const firstGap = 500 * time.Millisecond

type statsOptions struct {
	names    []string
	interval time.Duration
	byCPU    bool
	format   format
}

func (o statsOptions) sampler(c *client.Client) client.Sampler {
	return client.Sampler{Client: c, Names: o.names, ByCPU: o.byCPU}
}

func (a *App) vmStatsCommand() *cobra.Command {
	var watch bool
	var interval *optional[time.Duration]
	var f *format
	cmd := &cobra.Command{
		Use: "stats [NAME...]", Short: "Show the resource usage of VMs",
		Long: "Show the resource usage of VMs; without NAME, of all running VMs.\n\n" +
			"CPU is a percentage of one host CPU. HOST MEM is what the VM and its monitor use on the host, GUEST MEM what is used\n" +
			"in the guest. With --watch -o json, each line is an array.",
		Example: "  banger vm stats\n  banger vm stats box --watch\n  banger vm stats -o json",
		Args:    args(0, -1, ""), ValidArgsFunction: a.vmNames(-1, api.VMRunning, api.VMPaused),
		RunE: func(cmd *cobra.Command, names []string) error {
			opts := statsOptions{names: names, interval: interval.or(2 * time.Second), format: *f}
			if watch {
				return a.watchStats(cmd.Context(), opts, a.statsScreen(opts.format))
			}
			opts.interval = interval.or(firstGap)
			return a.statsOnce(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "refresh until you press Ctrl-C")
	interval = intervalFlag(cmd)
	f = formatFlag(cmd)
	return cmd
}

// statsOnce prints what two samples say.
func (a *App) statsOnce(ctx context.Context, opts statsOptions) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	s := opts.sampler(c)
	shown, err := s.Sample(ctx)
	if err != nil {
		return err
	}
	if len(shown) > 0 {
		if err := pace.Pause(ctx, opts.interval); err != nil {
			return err
		}
		if shown, err = s.Sample(ctx); err != nil {
			return err
		}
	}
	return usageView().list(a, opts.format, shown)
}

// watchStats shows sample after sample, until ctx ends.
func (a *App) watchStats(ctx context.Context, opts statsOptions, show func([]client.Usage) error) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	s := opts.sampler(c)
	gap := min(firstGap, opts.interval)
	for {
		shown, err := s.Sample(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := show(shown); err != nil {
			return err
		}
		if err := pace.Pause(ctx, gap); err != nil {
			return err
		}
		gap = opts.interval
	}
}

// statsScreen prints tables one after the other, each over the one before on a
// terminal.
func (a *App) statsScreen(f format) func([]client.Usage) error {
	if f == formatJSON {
		enc := json.NewEncoder(a.Out)
		return func(shown []client.Usage) error {
			if shown == nil {
				shown = []client.Usage{}
			}
			return enc.Encode(shown)
		}
	}
	if f != formatTable || !a.canRedraw() {
		return func(shown []client.Usage) error { return usageView().list(a, f, shown) }
	}
	lines := 0
	return func(shown []client.Usage) error {
		frame, height := a.statsFrame(shown)
		text := "\r" + frame
		if lines > 0 {
			text = "\x1b[" + strconv.Itoa(lines) + "A\r\x1b[J" + frame
		}
		lines = height
		return a.print(text)
	}
}
