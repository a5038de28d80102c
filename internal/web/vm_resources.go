package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// resourcesView is the body of the section with what the VM takes.
type resourcesView struct {
	vmFrame
	Takes    []takes
	Why      string
	Runtime  []fact
	Commands struct{ Stats, Set string }
}

// takes is a resource: how much of it is in use.
type takes struct {
	Name, Big, Of, Note string
	Percent             float64 // of Of; negative: there is no whole
}

func (c *Console) resourcesPage(w http.ResponseWriter, r *http.Request) {
	c.inVM(w, r, "resources", func(ctx context.Context, f vmFrame) (any, error) {
		view := resourcesView{vmFrame: f, Runtime: runtimeFacts(f.VM)}
		view.Commands.Stats = cmdline.Typed("vm", "stats", f.VM.Name)
		view.Commands.Set = cmdline.Line(act.VMSet.On(f.VM.Name))
		if f.VM.State != api.VMRunning && f.VM.State != api.VMPaused {
			view.Why = "It is " + f.VM.State + ", and takes only its disk."
			return view, nil
		}
		s, err := c.api.VMStats(ctx, f.VM.Name)
		if err != nil {
			view.Why = problemOf(err).Message
			return view, nil
		}
		view.Takes = taken(s)
		return view, nil
	})
}

func taken(s api.Stats) []takes {
	share := func(part, whole int64) float64 {
		if whole <= 0 {
			return -1
		}
		return min(100*float64(part)/float64(whole), 100)
	}
	all := []takes{
		{Name: "CPU", Big: fmt.Sprintf("%.1f s", float64(s.CPUNanos)/1e9), Of: "of CPU time", Note: fmt.Sprintf("%d vCPU, load %.2f", s.VCPU, s.GuestLoad1), Percent: -1},
		{Name: "Memory on the host", Big: fault.Bytes(s.HostMemoryBytes), Of: "of " + fault.Bytes(s.MemoryBytes), Note: "and " + fault.Bytes(s.MonitorBytes) + " for its monitor", Percent: share(s.HostMemoryBytes, s.MemoryBytes)},
	}
	if s.GuestMemoryTotal > 0 {
		used := s.GuestMemoryTotal - s.GuestMemoryAvail
		all = append(all, takes{Name: "Memory in the guest", Big: fault.Bytes(used), Of: "of " + fault.Bytes(s.GuestMemoryTotal), Percent: share(used, s.GuestMemoryTotal)})
	}
	disk := takes{Name: "Disk on the host", Big: fault.Bytes(s.DiskUsageBytes), Percent: -1}
	if s.DiskSizeBytes > 0 {
		disk.Of, disk.Percent = "of up to "+fault.Bytes(s.DiskSizeBytes), share(s.DiskUsageBytes, s.DiskSizeBytes)
		disk.Note = fault.Bytes(s.DiskFreeBytes) + " free in the guest"
	}
	return append(all, disk,
		takes{Name: "Disk, read and written", Big: fault.Bytes(s.DiskReadBytes), Of: "read", Note: fault.Bytes(s.DiskWriteBytes) + " written", Percent: -1},
		takes{Name: "Network", Big: fault.Bytes(s.NetInBytes), Of: "in", Note: fault.Bytes(s.NetOutBytes) + " out, " + fault.Count(s.Flows, "flow") + ", " + number(int(s.FlowsDenied)) + " denied", Percent: -1},
	)
}

func runtimeFacts(v api.VM) []fact {
	facts := []fact{{"ID", v.ID}, {"Init", v.Init}, {"Network", v.Network}, {"Guest address", v.GuestIP}, {"User", v.User}, {"Entrypoint", v.Entrypoint}}
	if r := v.Runtime; r != nil {
		facts = append(facts, fact{"VMM", pid(r.VMMPID)}, fact{"Monitor", pid(r.MonitorPID)}, fact{"Agent", r.Agent}, fact{"Guest init", r.GuestInit},
			fact{"VMM confined", r.Confinement}, fact{"Monitor confined", r.MonitorConfinement})
	}
	known := facts[:0]
	for _, f := range facts {
		if f.Value != "" {
			known = append(known, f)
		}
	}
	return known
}

func pid(n int) string {
	if n == 0 {
		return ""
	}
	return "process " + number(n)
}
