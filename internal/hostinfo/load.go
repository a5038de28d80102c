package hostinfo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxProc bounds what is read of one file of proc, in bytes.
	maxProc = 1 << 20
	// tick is the unit of CPU times: USER_HZ is 100 on all architectures that banger
	// runs on.
	tick = time.Second / 100
)

// Load is what everything on the host takes. Totals count from the host's start.
type Load struct {
	CPUs            int
	CPU             time.Duration // busy, summed over the CPUs
	MemoryBytes     int64
	MemoryAvailable int64 // for programs, without swapping
	DiskBytes       int64 // of the filesystem with the directory that was asked about
	DiskAvailable   int64 // for this user
	NetInBytes      int64 // of the interfaces with a default route
	NetOutBytes     int64
}

// LoadOf measures the host, with the filesystem that dir is on. What cannot be measured
// is 0 and in the error.
func LoadOf(dir string) (Load, error) { return loadOf("/proc", dir) }

func loadOf(proc, dir string) (Load, error) {
	var l Load
	stat, err := readProc(filepath.Join(proc, "stat"))
	if err == nil {
		l.CPU, l.CPUs, err = busy(stat)
	}
	memory, memErr := readProc(filepath.Join(proc, "meminfo"))
	if memErr == nil {
		l.MemoryBytes, l.MemoryAvailable = kibOf(memory, "MemTotal:"), kibOf(memory, "MemAvailable:")
	}
	var fs unix.Statfs_t
	diskErr := unix.Statfs(dir, &fs)
	if diskErr == nil {
		l.DiskBytes, l.DiskAvailable = int64(fs.Blocks)*fs.Bsize, int64(fs.Bavail)*fs.Bsize
	}
	devices, netErr := readProc(filepath.Join(proc, "net/dev"))
	if netErr == nil {
		l.NetInBytes, l.NetOutBytes = traffic(devices, uplinks(proc))
	}
	return l, errors.Join(err, memErr, diskErr, netErr)
}

func readProc(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxProc))
}

// busy reads /proc/stat: user, nice, system, irq and softirq of all CPUs. Time of guests
// is in user and nice, and stolen time is not the host's.
func busy(stat []byte) (total time.Duration, cpus int, err error) {
	for line := range bytes.Lines(stat) {
		fields := bytes.Fields(line)
		if len(fields) < 8 || !bytes.HasPrefix(fields[0], []byte("cpu")) {
			continue
		}
		if len(fields[0]) > len("cpu") {
			cpus++
			continue
		}
		for _, field := range []int{1, 2, 3, 6, 7} {
			n, err := strconv.ParseInt(string(fields[field]), 10, 64)
			if err != nil || n < 0 || n > int64(1<<63-1)/int64(tick)/8 {
				return 0, 0, fmt.Errorf("measure the host's CPU: %q is no time", fields[field])
			}
			total += time.Duration(n) * tick
		}
	}
	if cpus == 0 {
		return 0, 0, errors.New("measure the host's CPU: there is none in /proc/stat")
	}
	return total, cpus, nil
}

// kibOf is a line of /proc/meminfo in bytes, 0 if it is not there.
func kibOf(meminfo []byte, name string) int64 {
	for line := range bytes.Lines(meminfo) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == name {
			n, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			return n << 10
		}
	}
	return 0
}

// uplinks are the interfaces with a default route, by which the host reaches others:
// bridges and tunnels would count the same bytes again.
func uplinks(proc string) (names []string) {
	const (
		noDestination = "00000000"
		noPrefix      = "00"
	)
	routes, _ := readProc(filepath.Join(proc, "net/route"))
	for line := range bytes.Lines(routes) {
		if f := bytes.Fields(line); len(f) > 7 && string(f[1]) == noDestination && string(f[7]) == noDestination {
			names = append(names, string(f[0]))
		}
	}
	routes, _ = readProc(filepath.Join(proc, "net/ipv6_route"))
	for line := range bytes.Lines(routes) {
		if f := bytes.Fields(line); len(f) > 9 && string(f[1]) == noPrefix && string(f[9]) != "lo" {
			names = append(names, string(f[9]))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// traffic reads /proc/net/dev.
func traffic(devices []byte, of []string) (in, out int64) {
	const received, sent = 1, 9
	lines := bufio.NewScanner(bytes.NewReader(bytes.ReplaceAll(devices, []byte(":"), []byte(" "))))
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) <= sent || !slices.Contains(of, string(fields[0])) {
			continue
		}
		r, _ := strconv.ParseInt(string(fields[received]), 10, 64)
		s, _ := strconv.ParseInt(string(fields[sent]), 10, 64)
		in, out = in+r, out+s
	}
	return in, out
}
