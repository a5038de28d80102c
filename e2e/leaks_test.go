//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one line of what a script left running.
type process struct {
	pid     int
	command string
}

// leftProcesses returns the account's living processes: all of a dedicated
// account's, otherwise those that refer to base.
func leftProcesses(acct *account, base string) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var left []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if uid, state := statusOf(pid); uid != acct.uid || state == "Z" || state == "X" {
			continue
		}
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if !acct.dedicated && !refersTo(pid, string(cmdline), base) {
			continue
		}
		left = append(left, process{pid, strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))})
	}
	return left, nil
}

func statusOf(pid int) (uid int, state string) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1, ""
	}
	uid = -1
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 1 && fields[0] == "Uid:":
			uid, _ = strconv.Atoi(fields[1])
		case len(fields) > 1 && fields[0] == "State:":
			state = fields[1]
		}
	}
	return uid, state
}

// threadsOf describes the threads of a process: what each is called, does, and waits for
// in the kernel, as far as proc(5) shows it.
func threadsOf(pid int) string {
	var all strings.Builder
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		stat, _ := os.ReadFile(filepath.Join(task, "stat"))
		stack, _ := os.ReadFile(filepath.Join(task, "stack"))
		status, _ := os.ReadFile(filepath.Join(task, "status"))
		fmt.Fprintf(&all, "%.60s\n", stat)
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "SigPnd:") || strings.HasPrefix(line, "ShdPnd:") || strings.HasPrefix(line, "PPid:") {
				all.WriteString("  " + line)
			}
		}
		for line := range strings.Lines(string(stack)) {
			all.WriteString("  " + line)
		}
	}
	return all.String()
}

func refersTo(pid int, cmdline, base string) bool {
	cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return strings.HasPrefix(cwd, base) || strings.Contains(cmdline, base) || strings.Contains(string(environ), base)
}

// leaks returns what a script left behind: processes, sockets, mounts, staging,
// VM directories. Processes get a moment to end.
func leaks(ctx context.Context, acct *account, base string) ([]string, error) {
	var found []string
	left, err := settle(ctx, acct, base)
	if err != nil {
		return nil, err
	}
	for _, p := range left {
		found = append(found, fmt.Sprintf("process %d: %s", p.pid, p.command))
	}
	err = filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.Type()&fs.ModeSocket != 0:
			found = append(found, "socket "+path)
		case strings.HasSuffix(path, ".staging"):
			found = append(found, "staging "+path)
		case filepath.Base(filepath.Dir(path)) == "vms" && d.IsDir():
			found = append(found, "VM directory "+path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], base) && fields[4] != filepath.Join(base, "small") {
			found = append(found, "mount "+fields[4])
		}
	}
	return found, nil
}

// settle waits until the account runs nothing, and returns what still runs after a while:
// the web console's port is kept for 10 s after a daemon.
func settle(ctx context.Context, acct *account, base string) ([]process, error) {
	deadline := time.After(scaled(15 * time.Second))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := leftProcesses(acct, base)
		if err != nil || len(left) == 0 {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-deadline:
			return left, nil
		case <-ctx.Done():
			return left, nil
		}
	}
}

// killLeft ends what a failed script left running.
func killLeft(acct *account, base string) {
	for range 3 { // a monitor may start a machine while we look
		left, err := leftProcesses(acct, base)
		if err != nil || len(left) == 0 {
			return
		}
		for _, p := range left {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
}
