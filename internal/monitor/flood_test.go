package monitor_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/procstat"
	"github.com/bangervm/banger/internal/vm"
)

const (
	maxMonitorMemory = 160 << 20 // resident, in bytes: its soft limit is 64 MiB of heap
	maxMonitorLog    = 128 << 10
	maxConsole       = 2 * 8 << 20
	maxMonitorFiles  = 128
)

// roundTrip is how long the guest takes to send a line back, in the median.
func (g *guest) roundTrip(times int) time.Duration {
	var all []time.Duration
	for range times {
		began := time.Now()
		conn := g.command("echo")
		if _, err := fmt.Fprintln(conn, "hello"); err != nil {
			g.t.Fatal(err)
		}
		if got := g.line(conn); got != "hello" {
			g.t.Errorf("the echo is %q", got)
		}
		_ = conn.Close()
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// A guest that does its worst, for as long as BANGER_TEST_HOSTILE says: its
// monitor takes little, a neighbour works on, and it can be stopped.
func TestAHostileGuestCostsTheHostLittle(t *testing.T) {
	limit, err := time.ParseDuration(cmp.Or(os.Getenv("BANGER_TEST_HOSTILE"), "20s"))
	if err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, "", "flood="+limit.String())
	neighbour := newSecondGuest(t).start().ready()
	quiet := neighbour.roundTrip(20)
	g.start().ready()
	var loud []time.Duration
	var most procstat.Usage
	for began := time.Now(); time.Since(began) < limit; {
		loud = append(loud, neighbour.roundTrip(5))
		now, err := procstat.Of(g.seen.MonitorPID)
		if err != nil {
			t.Fatal("the monitor:", err)
		}
		most.ResidentBytes, most.CPU = max(most.ResidentBytes, now.ResidentBytes), now.CPU
		if files, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(g.seen.MonitorPID), "fd")); err != nil || len(files) > maxMonitorFiles {
			t.Errorf("the monitor has %d descriptors: %v", len(files), err)
		}
	}
	slices.Sort(loud)
	t.Logf("the neighbour's round trip: quiet %v, then %v; the monitor: %d MiB, %v of CPU in %v",
		quiet, loud[len(loud)/2], most.ResidentBytes>>20, most.CPU, limit)
	if most.ResidentBytes > maxMonitorMemory {
		t.Errorf("the monitor takes %d MiB", most.ResidentBytes>>20)
	}
	for path, bound := range map[string]int64{g.dir.MonitorLog(): maxMonitorLog, g.dir.Console(): maxConsole} {
		if size := sizeOf(t, path) + sizeOf(t, path+".1"); size > bound {
			t.Errorf("%s has %d bytes", filepath.Base(path), size)
		}
	}
	log, err := os.ReadFile(g.dir.MonitorLog())
	if err != nil || !strings.Contains(string(log), "says hello too often") || !strings.Contains(string(log), "name=guest") {
		t.Errorf("the log does not tell: %v\n%s", err, log)
	}
	if err := g.machine.Stop(t.Context(), 0); err != nil {
		t.Error("stop:", err)
	}
	g.wantExit(vm.ReasonForced, false)
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
