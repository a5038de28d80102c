package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// firstGap is the time between the two samples of one table.
const firstGap = 500 * time.Millisecond

type statsOptions struct {
	names    []string
	interval time.Duration
	byCPU    bool
	format   format
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

func intervalFlag(cmd *cobra.Command) *optional[time.Duration] {
	return optionalFlag(cmd, "interval", "SECONDS", "refresh interval (default 2)", func(text string) (time.Duration, error) {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0.05 && seconds <= 3600) {
			return 0, fault.New(fault.Invalid, "--interval %q is not a number of seconds from 0.05 to 3600", text).WithHint("use, for example, --interval 2")
		}
		return time.Duration(seconds * float64(time.Second)), nil
	})
}

// usage is one VM's stats and what they say of the time since those before.
// Rates are bytes in a second; nil without a sample before.
type usage struct {
	api.Stats
	CPUPercent    *float64 `json:"cpu_percent"` // of one processor
	DiskReadRate  *float64 `json:"disk_read_rate"`
	DiskWriteRate *float64 `json:"disk_write_rate"`
	NetInRate     *float64 `json:"net_in_rate"`
	NetOutRate    *float64 `json:"net_out_rate"`
}

// usageSince compares now with an older sample of the same VM.
func usageSince(before, now api.Stats) usage {
	u := usage{Stats: now}
	took := now.At.Sub(before.At).Seconds()
	// Counters that went down are those of another start.
	if before.ID != now.ID || took <= 0 || now.CPUNanos < before.CPUNanos {
		return u
	}
	rate := func(from, to int64) *float64 {
		r := max(float64(to-from)/took, 0)
		return &r
	}
	cpu := float64(now.CPUNanos-before.CPUNanos) / took / 1e7
	u.CPUPercent = &cpu
	u.DiskReadRate = rate(before.DiskReadBytes, now.DiskReadBytes)
	u.DiskWriteRate = rate(before.DiskWriteBytes, now.DiskWriteBytes)
	u.NetInRate = rate(before.NetInBytes, now.NetInBytes)
	u.NetOutRate = rate(before.NetOutBytes, now.NetOutBytes)
	return u
}

// sampler takes samples of the VMs that opts name.
type sampler struct {
	c      *client.Client
	opts   statsOptions
	before map[string]api.Stats
}

func (s *sampler) sample(ctx context.Context) ([]usage, error) {
	all, err := s.stats(ctx)
	if err != nil {
		return nil, err
	}
	after := make(map[string]api.Stats, len(all))
	out := make([]usage, len(all))
	for i, now := range all {
		after[now.ID] = now
		out[i] = usageSince(s.before[now.ID], now)
	}
	s.before = after
	if s.opts.byCPU {
		cpu := func(u usage) float64 {
			if u.CPUPercent == nil {
				return 0
			}
			return *u.CPUPercent
		}
		slices.SortStableFunc(out, func(a, b usage) int { return cmp.Compare(cpu(b), cpu(a)) })
	}
	return out, nil
}

func (s *sampler) stats(ctx context.Context) ([]api.Stats, error) {
	if len(s.opts.names) == 0 {
		return s.c.Stats(ctx)
	}
	var all []api.Stats
	for _, name := range s.opts.names {
		one, err := s.c.VMStats(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// statsOnce prints what two samples say.
func (a *App) statsOnce(ctx context.Context, opts statsOptions) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	s := sampler{c: c, opts: opts}
	shown, err := s.sample(ctx)
	if err != nil {
		return err
	}
	if len(shown) > 0 {
		if err := wait(ctx, opts.interval); err != nil {
			return err
		}
		if shown, err = s.sample(ctx); err != nil {
			return err
		}
	}
	return usageView().list(a, opts.format, shown)
}

// watchStats shows sample after sample, until ctx ends.
func (a *App) watchStats(ctx context.Context, opts statsOptions, show func([]usage) error) error {
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	s := sampler{c: c, opts: opts}
	gap := min(firstGap, opts.interval)
	for {
		shown, err := s.sample(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := show(shown); err != nil {
			return err
		}
		if err := wait(ctx, gap); err != nil {
			return err
		}
		gap = opts.interval
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// statsScreen prints tables one after the other, each over the one before on a
// terminal.
func (a *App) statsScreen(f format) func([]usage) error {
	if f == formatJSON {
		enc := json.NewEncoder(a.Out)
		return func(shown []usage) error {
			if shown == nil {
				shown = []usage{}
			}
			return enc.Encode(shown)
		}
	}
	if f != formatTable || !a.canRedraw() {
		return func(shown []usage) error { return usageView().list(a, f, shown) }
	}
	lines := 0
	return func(shown []usage) error {
		frame, height := a.statsFrame(shown)
		text := "\r" + frame
		if lines > 0 {
			text = "\x1b[" + strconv.Itoa(lines) + "A\r\x1b[J" + frame
		}
		lines = height
		return a.print(text)
	}
}
