package daemon

import (
	"context"
	"os"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/diskuse"
	"github.com/bangervm/banger/internal/hostinfo"
	"github.com/bangervm/banger/internal/vm"
)

// Ping implements server.Daemon.
func (d *daemon) Ping(ctx context.Context) api.Ping {
	ping := api.Ping{
		Protocol: api.Protocol, Version: d.build.Version, Commit: d.build.Commit, BuiltAt: d.build.BuiltAt,
		PID: os.Getpid(), StartedAt: d.started, StateDir: d.dirs.State, Busy: d.runner.Active(), RSSBytes: hostinfo.RSS(), Driver: d.host.driverName(ctx),
	}
	ping.Names, ping.NamesProblem = d.namesState()
	ping.Web, ping.WebProblem = d.web.state()
	if vms, err := d.vms.List(ctx, vm.Filter{}); err == nil {
		ping.VMs = len(vms)
		for _, v := range vms {
			if v.State.Alive() {
				ping.Running++
			}
		}
	}
	return ping
}

// HostStats implements server.Daemon.
func (d *daemon) HostStats(ctx context.Context) api.HostStats {
	l, err := hostinfo.LoadOf(d.dirs.State)
	if err != nil {
		d.log.DebugContext(ctx, "the host is not measured whole", "error", err)
	}
	return api.HostStats{
		At: time.Now().UTC(), CPUs: l.CPUs, CPUNanos: l.CPU.Nanoseconds(), MemoryBytes: l.MemoryBytes, MemoryAvailableBytes: l.MemoryAvailable,
		DiskBytes: l.DiskBytes, DiskAvailableBytes: l.DiskAvailable, NetInBytes: l.NetInBytes, NetOutBytes: l.NetOutBytes,
	}
}

// Active implements server.Daemon.
func (d *daemon) Active() int { return d.runner.Active() }

// Stop implements server.Daemon.
func (d *daemon) Stop() { d.stop() }

// ImageDiskUsage implements server.Daemon.
func (d *daemon) ImageDiskUsage(id string) int64 {
	n, err := diskuse.New().Add(context.Background(), string(d.dirs.Image(id)))
	if err != nil {
		return 0
	}
	return n
}

// VMDiskUsage implements server.Daemon.
func (d *daemon) VMDiskUsage(id string) int64 { return hostinfo.DiskUsage(d.dirs.VM(id).Disk()) }
