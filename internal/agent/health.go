package agent

import (
	"bufio"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agentrpc"
)

func (a *agent) health() agentrpc.Health {
	a.mu.Lock()
	flavour := a.saved.Init.Flavour
	a.mu.Unlock()
	h := agentrpc.Health{
		Protocol: agentrpc.Version,
		Build:    build(),
		Ready:    a.ready.Load(),
		Init:     string(flavour),
		BootID:   fact(bootID),
		Uptime:   uptime().Seconds(),
		Now:      time.Now().UTC(),
	}
	h.MemTotal, h.MemAvail = memory(fact("/proc/meminfo"))
	load, _, _ := strings.Cut(fact("/proc/loadavg"), " ")
	h.Load1, _ = strconv.ParseFloat(load, 64) // zero when there is none
	h.CPUSeconds = busy(fact("/proc/stat"))
	var fs unix.Statfs_t
	if h.Ready && unix.Statfs("/", &fs) == nil {
		h.DiskSize = int64(fs.Blocks) * fs.Bsize
		h.DiskFree = int64(fs.Bavail) * fs.Bsize
	}
	return h
}

// memory reads MemTotal and MemAvailable of proc(5)'s meminfo, in bytes.
func memory(meminfo string) (total, available int64) {
	for scan := bufio.NewScanner(strings.NewReader(meminfo)); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			available = kib << 10
		}
	}
	return total, available
}

// busy sums the busy time of all CPUs in proc(5)'s stat, in seconds. Guests' own
// guests are in user's and nice's share already.
func busy(stat string) float64 {
	const (
		perSecond            = 100 // USER_HZ, the same on all of Linux's ports that banger runs on
		idle, iowait, ending = 4, 5, 9
	)
	line, _, _ := strings.Cut(stat, "\n")
	var ticks uint64
	for i, field := range strings.Fields(line) {
		if i == 0 || i == idle || i == iowait || i >= ending {
			continue
		}
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return float64(ticks) / perSecond
}
