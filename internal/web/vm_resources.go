package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

// resourcesView is the body of the section with what the VM takes.
type resourcesView struct {
	vmFrame
	takesView
	Runtime  []fact
	Commands struct{ Stats, Set string }
}

// takesView is what a VM takes, or why that is not known.
type takesView struct {
	Takes []takes
	Why   string
}

// takes is a resource: how much of it is in use.
type takes struct {
	Name, Big, Of, Note string
	Percent             float64 // of Of; negative: there is no whole
	Spark               sparkView
}

func (c *Console) resourcesPage(w http.ResponseWriter, r *http.Request) {
	c.inVM(w, r, "resources", func(ctx context.Context, f vmFrame) (any, error) {
		view := resourcesView{vmFrame: f, Runtime: runtimeFacts(f.VM)}
		view.Commands.Stats = cmdline.Typed("vm", "stats", f.VM.Name)
		view.Commands.Set = cmdline.Line(act.VMSet.On(f.VM.Name))
		view.takesView = c.takesOf(ctx, f.VM)
		return view, nil
	})
}

// takesOf is what a VM takes, as it was last measured, or else measured now.
func (c *Console) takesOf(ctx context.Context, v api.VM) takesView {
	view, known := c.takesKnown(v)
	if known {
		return view
	}
	s, err := c.api.VMStats(ctx, v.Name)
	if err != nil {
		view.Why = problemOf(err).Message
		return view
	}
	view.Takes = taken(client.Usage{Stats: s}, curves{})
	return view
}

// takesKnown is what needs no measuring: of a VM that does not run, or that is measured.
func (c *Console) takesKnown(v api.VM) (view takesView, ok bool) {
	if v.State != api.VMRunning && v.State != api.VMPaused {
		return takesView{Why: "It is " + v.State + ", and takes only its disk."}, true
	}
	u, curves, ok := c.meter.of(v.ID)
	if ok {
		view.Takes = taken(u, curves)
	}
	return view, ok
}

func taken(u client.Usage, c curves) []takes {
	all := []takes{cpuTaken(u, c), {
		Name: "Memory on the host", Big: fault.Bytes(u.HostMemoryBytes), Of: "of " + fault.Bytes(u.MemoryBytes), Percent: share(u.HostMemoryBytes, u.MemoryBytes),
		Note: "and " + fault.Bytes(u.MonitorBytes) + " for its monitor", Spark: spark("Memory on the host", c.memory, nil, float64(u.MemoryBytes), broad(), size),
	}}
	if u.GuestMemoryTotal > 0 {
		used := u.GuestMemoryTotal - u.GuestMemoryAvail
		all = append(all, takes{Name: "Memory in the guest", Big: fault.Bytes(used), Of: "of " + fault.Bytes(u.GuestMemoryTotal), Percent: share(used, u.GuestMemoryTotal)})
	}
	disk := takes{Name: "Disk on the host", Big: fault.Bytes(u.DiskUsageBytes), Percent: -1}
	if u.DiskSizeBytes > 0 {
		disk.Of, disk.Percent = "of up to "+fault.Bytes(u.DiskSizeBytes), share(u.DiskUsageBytes, u.DiskSizeBytes)
		disk.Note = fault.Bytes(u.DiskFreeBytes) + " free in the guest"
	}
	disk.Spark = spark("Disk on the host", c.disk, nil, float64(u.DiskSizeBytes), broad(), size)
	io := takes{Name: "Disk, read and written", Big: fault.Bytes(u.DiskReadBytes), Of: "read", Note: fault.Bytes(u.DiskWriteBytes) + " written", Percent: -1}
	if u.DiskReadRate != nil {
		io.Big, io.Of = perSecond(*u.DiskReadRate+value(u.DiskWriteRate)), "now"
		io.Note = fault.Bytes(u.DiskReadBytes) + " read, " + fault.Bytes(u.DiskWriteBytes) + " written"
		io.Spark = spark("Disk, read and written", c.io, nil, 0, broad(), perSecond)
	}
	net := takes{Name: "Network", Big: fault.Bytes(u.NetInBytes), Of: "in", Note: fault.Bytes(u.NetOutBytes) + " out", Percent: -1}
	if u.NetInRate != nil {
		net.Big, net.Of = perSecond(*u.NetInRate+value(u.NetOutRate)), "now"
		net.Note = fault.Bytes(u.NetInBytes) + " in, " + fault.Bytes(u.NetOutBytes) + " out"
		net.Spark = spark("Network", c.net, nil, 0, broad(), perSecond)
	}
	net.Note += ", " + fault.Count(u.Flows, "flow") + ", " + number(int(u.FlowsDenied)) + " denied"
	return append(all, disk, io, net)
}

func cpuTaken(u client.Usage, c curves) takes {
	t := takes{
		Name: "CPU", Big: fmt.Sprintf("%.1f s", float64(u.CPUNanos)/1e9), Of: "of CPU time", Percent: -1,
		Note: fmt.Sprintf("%d vCPU, load %.2f", u.VCPU, u.GuestLoad1),
	}
	if u.CPUPercent != nil {
		t.Big, t.Of = percent(*u.CPUPercent), "of "+number(100*u.VCPU)+" %"
		t.Note = fmt.Sprintf("%d vCPU, load %.2f, %.1f s of CPU time", u.VCPU, u.GuestLoad1, float64(u.CPUNanos)/1e9)
		t.Spark = spark("CPU", c.cpu, nil, float64(100*u.VCPU), broad(), percent)
	}
	return t
}

// share is a part of a whole in percent; negative: there is no whole.
func share(part, whole int64) float64 {
	if whole <= 0 {
		return -1
	}
	return min(100*float64(part)/float64(whole), 100)
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
