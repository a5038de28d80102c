// Package procstat reads a process's resource usage from its proc(5) files.
package procstat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read of one file, in bytes.
const maxFile = 16 << 10

// tick is the unit of CPU times: USER_HZ is 100 on all architectures that banger
// runs on.
const tick = time.Second / 100

// Usage is what a process has taken since it began, and holds now.
type Usage struct {
	CPU            time.Duration // user and system
	ResidentBytes  int64
	DiskReadBytes  int64 // from block devices, not the page cache
	DiskWriteBytes int64
}

// Of returns what process pid takes. What of it ended with an error, /proc/PID/io
// for example, which only the process's user may read, is 0.
func Of(pid int) (Usage, error) {
	return read(filepath.Join("/proc", strconv.Itoa(pid)))
}

func read(dir string) (Usage, error) {
	var u Usage
	stat, statErr := readFile(filepath.Join(dir, "stat"))
	if statErr == nil {
		u.CPU, statErr = cpuTime(stat)
	}
	statm, memErr := readFile(filepath.Join(dir, "statm"))
	if memErr == nil {
		u.ResidentBytes, memErr = resident(statm, int64(os.Getpagesize()))
	}
	io, ioErr := readFile(filepath.Join(dir, "io"))
	if ioErr == nil {
		u.DiskReadBytes, u.DiskWriteBytes, ioErr = diskBytes(io)
	}
	return u, errors.Join(statErr, memErr, ioErr)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// cpuTime is utime and stime of /proc/PID/stat. The command's name, the second
// field, is in parentheses and may have any bytes in it.
func cpuTime(stat []byte) (time.Duration, error) {
	const utime, stime = 14 - 3, 15 - 3 // of those behind the name, from 0
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) <= stime {
		return 0, fmt.Errorf("stat of a process has %d fields", len(fields))
	}
	user, err := number(fields[utime])
	if err != nil {
		return 0, err
	}
	system, err := number(fields[stime])
	if err != nil {
		return 0, err
	}
	const most = int64(1<<63-1) / int64(tick) / 2
	return time.Duration(min(user, most)+min(system, most)) * tick, nil
}

// resident is the second field of /proc/PID/statm, in pages.
func resident(statm []byte, page int64) (int64, error) {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0, fmt.Errorf("statm of a process has %d fields", len(fields))
	}
	pages, err := number(fields[1])
	return min(pages, (1<<63-1)/page) * page, err
}

// diskBytes is read_bytes and write_bytes of /proc/PID/io.
func diskBytes(io []byte) (read, written int64, err error) {
	found := 0
	for line := range bytes.Lines(io) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		var into *int64
		switch string(name) {
		case "read_bytes":
			into = &read
		case "write_bytes":
			into = &written
		default:
			continue
		}
		found++
		if *into, err = number(value); err != nil {
			return 0, 0, err
		}
	}
	if found != 2 {
		return 0, 0, errors.New("io of a process names no read_bytes or write_bytes")
	}
	return read, written, nil
}

func number(text []byte) (int64, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err == nil && n < 0 {
		err = fmt.Errorf("%d is no count", n)
	}
	return max(n, 0), err
}

// Children is what the children of this process took that have ended and were
// waited for. Its ResidentBytes is 0.
func Children() (Usage, error) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &r); err != nil {
		return Usage{}, fmt.Errorf("getrusage: %w", err)
	}
	const block = 512
	return Usage{
		CPU:            time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		DiskReadBytes:  r.Inblock * block,
		DiskWriteBytes: r.Oublock * block,
	}, nil
}
