//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// spent is what a process holds: resident memory in bytes, descriptors, threads.
type spent struct{ memory, files, threads int64 }

func (s spent) String() string {
	return fmt.Sprintf("%d MiB, %d descriptors, %d threads", s.memory>>20, s.files, s.threads)
}

// watchedProcess is a process, and the most that it held.
type watchedProcess struct {
	name  string
	pid   int
	bound spent

	mu   sync.Mutex
	last spent
	most spent
	err  error
}

func (p *watchedProcess) String() string {
	return fmt.Sprintf("the %s held at most %v", p.name, p.most)
}

func (p *watchedProcess) now() spent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// look measures the process. VmHWM is the kernel's own record of the most
// memory.
func (p *watchedProcess) look() {
	status, peak, err := procStatus(p.pid)
	files, filesErr := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.pid), "fd"))
	status.files = int64(len(files))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		err = filesErr
	}
	if err != nil {
		p.err = fmt.Errorf("measure the %s: %w", p.name, err)
		return
	}
	p.last = status
	p.most = spent{max(p.most.memory, peak), max(p.most.files, status.files), max(p.most.threads, status.threads)}
}

// within is the error of a process that held more than it may, or was not
// measured.
func (p *watchedProcess) within() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.err != nil:
		return p.err
	case p.most.memory > p.bound.memory || p.most.files > p.bound.files || p.most.threads > p.bound.threads:
		return fmt.Errorf("%v; its bounds are %v", p, p.bound)
	default:
		return nil
	}
}

func procStatus(pid int) (now spent, peak int64, err error) {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return now, 0, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "VmHWM":
			peak = n << 10
		case "VmRSS":
			now.memory = n << 10
		case "Threads":
			now.threads = n
		}
	}
	if now.threads == 0 || peak == 0 {
		return now, peak, fmt.Errorf("process %d has ended", pid)
	}
	return now, peak, lines.Err()
}
