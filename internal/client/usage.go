package client

import (
	"cmp"
	"context"
	"slices"

	"github.com/bangervm/banger/internal/api"
)

// Usage is one VM's stats and what they say of the time since those before.
// Rates are in bytes a second. They, and CPUPercent, are nil without a sample
// before of the same start.
type Usage struct {
	api.Stats
	CPUPercent    *float64 `json:"cpu_percent"` // of one processor
	DiskReadRate  *float64 `json:"disk_read_rate"`
	DiskWriteRate *float64 `json:"disk_write_rate"`
	NetInRate     *float64 `json:"net_in_rate"`
	NetOutRate    *float64 `json:"net_out_rate"`
}

// UsageSince compares now with an older sample of the same VM.
func UsageSince(before, now api.Stats) Usage {
	u := Usage{Stats: now}
	took := now.At.Sub(before.At).Seconds()
	// Counters that went down are those of another start.
	if before.ID != now.ID || took <= 0 || now.CPUNanos < before.CPUNanos {
		return u
	}
	cpu := float64(now.CPUNanos-before.CPUNanos) / took / 1e7
	u.CPUPercent = &cpu
	u.DiskReadRate = rate(before.DiskReadBytes, now.DiskReadBytes, took)
	u.DiskWriteRate = rate(before.DiskWriteBytes, now.DiskWriteBytes, took)
	u.NetInRate = rate(before.NetInBytes, now.NetInBytes, took)
	u.NetOutRate = rate(before.NetOutBytes, now.NetOutBytes, took)
	return u
}

// HostUsage is what the host takes and what that says of the time since a sample before.
// Rates are in bytes a second. They, and CPUPercent, are nil without one.
type HostUsage struct {
	api.HostStats
	CPUPercent *float64 // of one processor
	NetInRate  *float64
	NetOutRate *float64
}

// HostUsageSince compares now with an older sample of the host.
func HostUsageSince(before, now api.HostStats) HostUsage {
	u := HostUsage{HostStats: now}
	took := now.At.Sub(before.At).Seconds()
	// Counters that went down are those of another start.
	if before.At.IsZero() || took <= 0 || now.CPUNanos < before.CPUNanos {
		return u
	}
	cpu := float64(now.CPUNanos-before.CPUNanos) / took / 1e7
	u.CPUPercent = &cpu
	u.NetInRate = rate(before.NetInBytes, now.NetInBytes, took)
	u.NetOutRate = rate(before.NetOutBytes, now.NetOutBytes, took)
	return u
}

// rate is of a counter, each second; one that went down began anew.
func rate(from, to int64, seconds float64) *float64 {
	r := max(float64(to-from)/seconds, 0)
	return &r
}

// Sampler takes samples of VMs, each compared with the one before. It is for one
// goroutine.
type Sampler struct {
	Client *Client
	Names  []string // none: all VMs that are alive
	ByCPU  bool     // the busiest first

	before map[string]api.Stats
}

// Sample takes one sample.
func (s *Sampler) Sample(ctx context.Context) ([]Usage, error) {
	all, err := s.stats(ctx)
	if err != nil {
		return nil, err
	}
	after := make(map[string]api.Stats, len(all))
	out := make([]Usage, len(all))
	for i, now := range all {
		after[now.ID] = now
		out[i] = UsageSince(s.before[now.ID], now)
	}
	s.before = after
	if s.ByCPU {
		slices.SortStableFunc(out, func(a, b Usage) int { return cmp.Compare(b.cpu(), a.cpu()) })
	}
	return out, nil
}

func (u Usage) cpu() float64 {
	if u.CPUPercent == nil {
		return 0
	}
	return *u.CPUPercent
}

func (s *Sampler) stats(ctx context.Context) ([]api.Stats, error) {
	if len(s.Names) == 0 {
		return s.Client.Stats(ctx)
	}
	var all []api.Stats
	for _, name := range s.Names {
		one, err := s.Client.VMStats(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
