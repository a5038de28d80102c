package monitor

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/netstack"
	"github.com/bangervm/banger/internal/procstat"
	"github.com/bangervm/banger/internal/vmm"
)

// counters counts what passes a guest's network card.
type counters interface {
	Counters() netstack.Counters
}

// stats measures what the VM takes: the VMMs of earlier boots, which are ended
// children of this process, and the present one. What cannot be read is 0.
func stats(status monitorrpc.Status, vcpu int, net counters, log *slog.Logger) monitorrpc.Stats {
	s := monitorrpc.Stats{At: time.Now().UTC(), VCPU: vcpu}
	say := func(err error) {
		if err != nil {
			log.Debug("measure", "err", err)
		}
	}
	// The ended ones first: one that ends meanwhile is left out, not told twice.
	before, err := procstat.Children()
	say(err)
	var now procstat.Usage
	if status.VMMPID > 0 {
		now, err = procstat.Of(status.VMMPID)
		say(err)
	}
	own, err := procstat.Of(os.Getpid())
	say(err)
	s.CPUNanos = int64(before.CPU + now.CPU)
	s.HostMemoryBytes, s.MonitorBytes = now.ResidentBytes, own.ResidentBytes
	s.DiskReadBytes = before.DiskReadBytes + now.DiskReadBytes
	s.DiskWriteBytes = before.DiskWriteBytes + now.DiskWriteBytes
	if net != nil {
		c := net.Counters()
		s.NetInBytes, s.NetOutBytes, s.Flows, s.FlowsDenied = c.InBytes, c.OutBytes, c.Flows, c.Denied
	}
	return s
}

// countLimit bounds the wait for what the VMM has counted.
const countLimit = time.Second

// devices is nil when the VMM does not answer in time.
func (s *supervisor) devices(ctx context.Context) *monitorrpc.Devices {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	var m vmm.Machine
	if err := s.ask(ctx, func() { m = s.machine }); err != nil || m == nil {
		return nil
	}
	c, err := m.Counters(ctx)
	if err != nil {
		s.log.Debug("measure", "err", err)
		return nil
	}
	devices := monitorrpc.Devices(c)
	return &devices
}

// cpuOf is the CPU time that a process has taken, 0 if that cannot be read.
func cpuOf(pid int) time.Duration {
	used, _ := procstat.Of(pid)
	return used.CPU
}
