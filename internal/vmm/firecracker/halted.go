package firecracker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/pace"
)

// Firecracker does not notice that a guest powers off: the virtual CPUs halt with
// interrupts off, and it waits on. A guest that lives runs its timers, and the agent
// looks around a few times a second. So a machine whose virtual CPUs have not run at all
// for a while, though nothing keeps them from it, has halted.

// patience is how long that while is, and how often it is looked.
type patience struct{ look, still time.Duration }

// unannounced is for a guest that says nothing of going down.
func unannounced() patience { return patience{look: 5 * time.Second, still: 15 * time.Second} }

// announced is for one that has said that it powers off.
func announced() patience { return patience{look: 500 * time.Millisecond, still: 2 * time.Second} }

// cpus is how the virtual CPUs of a process stand.
type cpus struct {
	ran    uint64 // ns that they have run
	asleep bool   // every thread of the process sleeps and waits for no disk
}

// procDir is where proc(5) is.
const procDir = "/proc"

// readCPUs reads it from proc(5), where Firecracker's threads of virtual CPUs are called
// "fc_vcpu 0" and so on.
func readCPUs(pid int) (cpus, error) {
	tasks, err := filepath.Glob(filepath.Join(procDir, strconv.Itoa(pid), "task/*"))
	if err != nil {
		return cpus{}, err
	}
	if len(tasks) == 0 { // Glob says nothing of what it may not read
		return cpus{}, fmt.Errorf("the threads of process %d cannot be read", pid)
	}
	all, found := cpus{asleep: true}, false
	for _, task := range tasks {
		name, state, err := readStat(task)
		if err != nil {
			return cpus{}, err
		}
		all.asleep = all.asleep && state == 'S'
		if !bytes.HasPrefix(name, []byte("fc_vcpu")) {
			continue
		}
		found = true
		sched, err := os.ReadFile(filepath.Join(task, "schedstat"))
		if err != nil {
			return cpus{}, err
		}
		ran, _, _ := bytes.Cut(sched, []byte(" "))
		n, err := strconv.ParseUint(string(ran), 10, 64)
		if err != nil {
			return cpus{}, fmt.Errorf("read schedstat: %w", err)
		}
		all.ran += n
	}
	if !found {
		return cpus{}, fmt.Errorf("process %d has no virtual CPUs", pid)
	}
	return all, nil
}

// readStat reads a thread's name and state.
func readStat(task string) (name []byte, state byte, err error) {
	stat, err := os.ReadFile(filepath.Join(task, "stat"))
	if err != nil {
		return nil, 0, err
	}
	begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if begin < 0 || end < begin || len(stat) < end+3 {
		return nil, 0, fmt.Errorf("read %s/stat: %.100q", task, stat)
	}
	return stat[begin+1 : end], stat[end+2], nil
}

// maxBlind is after how many looks that show nothing it is logged: a machine that is just
// ending shows nothing, either.
const maxBlind = 10

// awaitHalt ends the machine when its guest has halted. It returns when ctx ends, or
// the machine does.
func (m *Machine) awaitHalt(ctx context.Context) {
	var last cpus
	blind := 0 // looks in a row that showed nothing
	since := time.Now()
	for {
		p := m.patience()
		if pace.Pause(ctx, p.look) != nil {
			return
		}
		now, err := readCPUs(m.process.PID())
		blind++
		if err == nil {
			blind = 0
		}
		if blind == maxBlind {
			m.site.Log.Warn("cannot tell whether the guest has halted", "err", err)
		}
		if err != nil || m.isPaused() || !now.asleep || now.ran != last.ran {
			last, since = now, time.Now()
			continue
		}
		if time.Since(since) < p.still {
			continue
		}
		m.mu.Lock()
		m.halted = true
		m.mu.Unlock()
		if err := m.process.Signal(syscall.SIGKILL); err != nil {
			m.site.Log.Warn("end a machine that has halted", "err", err)
		}
		return
	}
}
