package sockets

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestReportIsBounded(t *testing.T) {
	p := newProc(t)
	var lines strings.Builder
	lines.WriteString(tcpHead)
	for i := range agentrpc.MaxListening + 10 {
		fmt.Fprintf(&lines, "%4d: 00000000:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 %d 1\n", i, 1000+i, 5000+i)
	}
	p.write("net/tcp", lines.String())
	inodes := make([]int, agentrpc.MaxListening+10)
	for i := range inodes {
		inodes[i] = 5000 + i
	}
	p.process(50, 1, strings.Repeat("<", 15), strings.Repeat("<", 5000), inodes...)
	report, _ := p.reporter().Look()
	if len(report.Sockets) != agentrpc.MaxListening {
		t.Errorf("%d sockets", len(report.Sockets))
	}
	if got := report.Sockets[500]; got.Command != "" || got.Process == "" {
		t.Errorf("a socket of a long report: %+v", got)
	}
}

// A server with very many ports: its descriptors are gone through once, and not
// again for each port.
func TestManyPortsOfAProcessAreOneSearch(t *testing.T) {
	const ports = 100
	p := newProc(t)
	var lines strings.Builder
	lines.WriteString(tcpHead)
	var inodes []int
	for i := range ports {
		fmt.Fprintf(&lines, "%4d: %032d:%04X %032d:0000 0A 00000000:00000000 00:00000000 00000000 0 0 %d 1\n", i, 0, 1000+i, 0, 5000+i)
		inodes = append(inodes, 5000+i)
	}
	p.write("net/tcp", tcpHead)
	p.write("net/udp", "")
	p.write("net/tcp6", lines.String())
	p.process(50, 1, "many", "many\x00", inodes...)
	owners := p.owners()
	asked := map[int]bool{}
	owners.only6 = func(pid, fd int) bool {
		asked[fd] = pid == 50
		if err := os.RemoveAll(filepath.Join(p.path, "50")); err != nil {
			t.Error(err)
		}
		return true
	}
	report, _ := newReporter(t, owners).Look()
	if len(report.Sockets) != ports || len(asked) != ports {
		t.Fatalf("%d sockets, %d asked", len(report.Sockets), len(asked))
	}
	for i, s := range report.Sockets {
		if !s.V6Only || s.PID != 50 || s.Command != "many" || !asked[3+i] {
			t.Errorf("%+v, asked: %v", s, asked[3+i])
		}
	}
}

func TestLooksAreSparedWhileTheCountersStand(t *testing.T) {
	p := newProc(t)
	stat := func(n, mem int) {
		p.write("net/sockstat", fmt.Sprintf("sockets: used 9\nTCP: inuse %d orphan 0 tw 5 alloc 7 mem %d\nUDP: inuse 3 mem 1\n", n, mem))
	}
	p.write("net/sockstat6", "TCP6: inuse 4\nUDP6: inuse 0\n")
	stat(3, 1)
	r := p.reporter()
	r.Look()
	p.write("net/tcp", tcpHead)
	stat(3, 2)
	skipped := 0
	for ; skipped < 100; skipped++ {
		if _, changed := r.Look(); changed {
			break
		}
	}
	if skipped != maxSkips {
		t.Errorf("%d looks were spared in a row, want %d", skipped, maxSkips)
	}
	p.write("net/tcp", tcp)
	stat(5, 2)
	if _, changed := r.Look(); !changed {
		t.Error("other counters, and no look")
	}
}

func TestRunLooksAtIntervals(t *testing.T) {
	p := newProc(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var isReady atomic.Bool
		reports := make(chan int, 10)
		go p.reporter().Run(ctx, isReady.Load, func(l agentrpc.Listening) { reports <- len(l.Sockets) })
		synctest.Wait()
		if len(reports) != 0 {
			t.Error("told before it is ready")
		}
		isReady.Store(true)
		<-time.After(Interval + time.Millisecond)
		synctest.Wait()
		p.write("net/udp", "")
		<-time.After(10 * Interval)
		cancel()
		synctest.Wait()
		close(reports)
		var told []int
		for n := range reports {
			told = append(told, n)
		}
		if len(told) != 2 || told[0] != told[1]+2 {
			t.Errorf("told of %v sockets", told)
		}
	})
}
