package web

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// What is not known is shown as that, and what was measured long ago is not shown.
func TestUsageIsOfNowOrUnknown(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := newMeter(nil, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	says := func(host api.HostStats) string {
		var all []string
		for _, card := range m.view(host) {
			all = append(all, strings.Join(strings.Fields(card.Now+" "+card.Of+" "+card.Note), " "))
		}
		return strings.Join(all, "; ")
	}
	if got, want := says(api.HostStats{}), "– VMs –; – VMs –; – running VMs –; – VMs –"; got != want {
		t.Errorf("nothing known: %s", got)
	}
	host := api.HostStats{At: now, CPUs: 2, MemoryBytes: 4 << 30, MemoryAvailableBytes: 3 << 30, DiskBytes: 8 << 30, DiskAvailableBytes: 6 << 30}
	if got, want := says(host), "– of 2 CPUs VMs –; 1 GiB of 4 GiB VMs –; 2 GiB of 8 GiB running VMs –; – VMs –"; got != want {
		t.Errorf("not measured: %s", got)
	}
	if m.measuredView() != nil {
		t.Error("cards of nothing measured")
	}
	m.vms["1"] = &meted{usage: client.Usage{Stats: api.Stats{HostMemoryBytes: 1 << 29}}}
	m.host = client.HostUsage{HostStats: host}
	now = now.Add(freshFor)
	if got := says(api.HostStats{}); !strings.Contains(got, "VMs 512 MiB") || m.measuredView() == nil || m.load("1").Memory != "512 MiB" {
		t.Errorf("measured: %s", got)
	}
	now = now.Add(time.Second)
	_, _, known := m.of("1")
	if got := says(api.HostStats{}); strings.Contains(got, "512") || known || m.load("1").Memory != "" || m.measuredView() != nil {
		t.Errorf("long ago: %s", got)
	}
}
