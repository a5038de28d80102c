package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func (a *App) vmHealthCommand() *cobra.Command {
	var f *format
	cmd := &cobra.Command{
		Use:               "health NAME",
		Short:             "Show the health of a VM",
		Example:           "  banger vm health box\n  banger vm health box -o json",
		Long:              "Show the health of a VM, as its guest agent reports it. The exit status is 6 if the guest is not ready.",
		Args:              args(1, 1, "the NAME of a VM"),
		ValidArgsFunction: a.vmNames(1, api.VMRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			ctx := cmd.Context()
			c, err := a.daemon(ctx)
			if err != nil {
				return err
			}
			health, err := c.VMHealth(ctx, given[0])
			if err != nil {
				return err
			}
			if err := healthView(given[0]).show(a, *f, health); err != nil || health.Ready {
				return err
			}
			return fault.New(fault.Unavailable, "%s is not ready", given[0]).Try(act.VMLogs.On(given[0]))
		},
	}
	f = formatFlag(cmd)
	return cmd
}

func healthView(name string) view[api.Health] {
	return view[api.Health]{
		name: func(api.Health) string { return name },
		fields: []column[api.Health]{
			{head: "ready", cell: func(h api.Health) string { return strconv.FormatBool(h.Ready) }},
			{head: "init", cell: func(h api.Health) string { return h.Init }},
			{head: "agent", cell: func(h api.Health) string { return h.Agent }},
			{head: "uptime", cell: func(h api.Health) string {
				return tookText(time.Duration(h.UptimeSeconds * float64(time.Second)))
			}},
			{head: "clock", cell: func(h api.Health) string { return timeText(&h.Now) }},
			{head: "load", cell: func(h api.Health) string { return fmt.Sprintf("%.2f", h.Load1) }},
			{head: "memory", cell: func(h api.Health) string {
				return bytesText(h.MemAvailBytes) + " of " + bytesText(h.MemTotalBytes) + " available"
			}},
			{head: "disk", cell: func(h api.Health) string {
				return bytesText(h.DiskFreeBytes) + " of " + bytesText(h.DiskSizeBytes) + " free"
			}},
			{head: "round trip", cell: func(h api.Health) string {
				return time.Duration(h.RoundTripNanos).Round(time.Microsecond).String()
			}},
		},
	}
}
