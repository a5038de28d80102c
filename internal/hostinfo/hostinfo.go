// Package hostinfo measures how much of this host VMs can use.
package hostinfo

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/vm"
)

// Files of proc(5).
const (
	procMeminfo = "/proc/meminfo"
	procBootID  = "/proc/sys/kernel/random/boot_id"
)

// Facts measures the host for VMs whose disks are below dir, which exists.
func Facts(_ context.Context, dir string) (vm.HostFacts, error) {
	memory, err := totalMemory(procMeminfo)
	if err != nil {
		return vm.HostFacts{}, err
	}
	boot, err := os.ReadFile(procBootID)
	if err != nil {
		return vm.HostFacts{}, fmt.Errorf("read the host's boot id: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return vm.HostFacts{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return vm.HostFacts{
		CPUs: runtime.NumCPU(), MemoryBytes: memory,
		DiskBytes:    int64(fs.Blocks) * fs.Bsize,
		Architecture: runtime.GOARCH, BootID: strings.TrimSpace(string(boot)),
	}, nil
}

// totalMemory reads MemTotal, in bytes.
func totalMemory(path string) (int64, error) {
	meminfo, err := readProc(path)
	if err != nil {
		return 0, fmt.Errorf("measure the host's memory: %w", err)
	}
	total := kibOf(meminfo, "MemTotal:")
	if total == 0 {
		return 0, fmt.Errorf("measure the host's memory: %s has no MemTotal", path)
	}
	return total, nil
}

// RSS is the resident memory of this process in bytes, 0 when it is not known.
func RSS() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// DiskUsage is what the file at path takes on disk in bytes, 0 when it is not there.
func DiskUsage(path string) int64 {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0
	}
	return st.Blocks * 512
}
