package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memory prints the resident memory of an idle bangerd and an idle monitor: the
// private part, and the whole with what their one program file shares.
func (b *bench) memory(ctx context.Context) error {
	if _, err := b.banger(ctx, "vm", "create", "--name", "idle", "--image", "busybox"); err != nil {
		return err
	}
	daemon, err := b.daemonPID(ctx)
	if err != nil {
		return err
	}
	monitor, err := b.runtimePID(ctx, "idle", "monitor_pid")
	if err != nil {
		return err
	}
	select {
	case <-time.After(10 * time.Second): // idle, and its garbage collected
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, p := range []struct {
		name string
		pid  int
	}{{"idle bangerd", daemon}, {"idle monitor", monitor}} {
		rss, private, err := resident(p.pid)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if _, err := fmt.Fprintf(b.out, "%-22s %9.1f MiB resident, %.1f MiB of it private\n", p.name, mib(rss), mib(private)); err != nil {
			return err
		}
	}
	_, err = b.banger(ctx, "vm", "delete", "--force", "idle")
	return err
}

func (b *bench) daemonPID(ctx context.Context) (int, error) {
	status, err := b.banger(ctx, "daemon", "status", "-o", "json")
	if err != nil {
		return 0, err
	}
	var answer struct {
		Daemon struct {
			PID int `json:"pid"`
		} `json:"daemon"`
	}
	err = json.Unmarshal([]byte(status), &answer)
	return answer.Daemon.PID, err
}

func mib(kib int64) float64 { return float64(kib) / 1024 }

// resident returns a process's resident and private memory in KiB.
func resident(pid int) (rss, private int64, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "Rss:":
			rss = n
		case "Private_Clean:", "Private_Dirty:":
			private += n
		}
	}
	return rss, private, nil
}
