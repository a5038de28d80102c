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
		BootID:   fact("/proc/sys/kernel/random/boot_id"),
		Uptime:   uptime().Seconds(),
		Now:      time.Now().UTC(),
	}
	h.MemTotal, h.MemAvail = memory(fact("/proc/meminfo"))
	load, _, _ := strings.Cut(fact("/proc/loadavg"), " ")
	h.Load1, _ = strconv.ParseFloat(load, 64) // zero when there is none
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
