package client

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
)

// Counters of another start say nothing of the time between.
func TestUsageSince(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	old := api.Stats{ID: "a", At: at, CPUNanos: 5e9, NetInBytes: 1000}
	if u := UsageSince(old, api.Stats{ID: "a", At: at.Add(2 * time.Second), CPUNanos: 6e9, NetInBytes: 5000}); *u.CPUPercent != 50 || *u.NetInRate != 2000 {
		t.Errorf("%v %v", *u.CPUPercent, *u.NetInRate)
	}
	for name, now := range map[string]api.Stats{
		"first":     {ID: "b", At: at.Add(time.Second), CPUNanos: 6e9},
		"restarted": {ID: "a", At: at.Add(time.Second), CPUNanos: 1e9},
		"same":      old,
	} {
		if u := UsageSince(old, now); u.CPUPercent != nil || u.NetInRate != nil {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

func TestHostUsageSince(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	old := api.HostStats{At: at, CPUNanos: 5e9, NetInBytes: 1000, NetOutBytes: 9}
	u := HostUsageSince(old, api.HostStats{At: at.Add(2 * time.Second), CPUNanos: 9e9, NetInBytes: 5000, NetOutBytes: 3})
	if *u.CPUPercent != 200 || *u.NetInRate != 2000 || *u.NetOutRate != 0 {
		t.Errorf("%v %v %v", *u.CPUPercent, *u.NetInRate, *u.NetOutRate)
	}
	for _, before := range []api.HostStats{{}, {At: at, CPUNanos: 6e9}, {At: at.Add(time.Second)}} {
		if u := HostUsageSince(before, api.HostStats{At: at.Add(time.Second), CPUNanos: 5e9}); u.CPUPercent != nil || u.NetInRate != nil {
			t.Errorf("after %+v: %+v", before, u)
		}
	}
}
