package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// source is the image as one kind of reference.
type source struct {
	name   string
	ref    string // as banger takes it
	skopeo string // as skopeo does
	// bytes is the path of what is read of it: a tar, or a compressed layer.
	bytes func() (string, error)
	// plain says that the layers are not compressed: a floor without hashes is a copy.
	plain bool
}

// mostFloor is how many times longer than its floor a pull may take.
const mostFloor = 1.5

// used is what a task took: time, CPU time (user and system, of programs that it ran
// too) and disk.
type used struct{ wall, cpu, disk float64 }

// task is measured in an empty directory.
type task struct {
	name string
	run  func(dir string) error
	used []used
}

// compare measures the tasks in turns, so that what else the machine does meets all of
// them. It returns the medians of a pull.
func (s source) compare(ctx context.Context, out io.Writer, dir string, runs int) (used, error) {
	path, err := s.bytes()
	if err != nil {
		return used{}, err
	}
	var warm []float64
	tasks := []*task{
		{name: "banger image pull", run: func(dir string) error { return newPuller(dir).pull(ctx, s.ref, "bench") }},
		{name: "skopeo + umoci unpack + mkfs.ext4 -d", run: func(dir string) error { return umoci(ctx, s.skopeo, dir) }},
		{name: "read + decompress + write (floor)", run: func(dir string) error { return floor(path, dir) }},
		{name: "floor, hashing as banger does", run: func(dir string) error { return hashedFloor(path, dir) }},
	}
	for range runs {
		for i, t := range tasks {
			then := func(string) error { return nil }
			if i == 0 {
				then = func(dir string) error {
					took, err := newPuller(dir).warm(ctx, s.ref)
					warm = append(warm, took.Seconds())
					return err
				}
			}
			if err := t.measure(ctx, dir, then); err != nil {
				return used{}, fmt.Errorf("%s, %s: %w", s.name, t.name, err)
			}
		}
	}
	fmt.Fprintf(out, "%s, %d runs\n", s.name, runs)
	for _, t := range tasks {
		t.print(out)
	}
	pull := tasks[0]
	pull.ratio(out, "pull / (skopeo + umoci + mkfs)", tasks[1], 0.3)
	if s.plain {
		pull.ratio(out, "pull / floor (a copy)", tasks[2], 0)
		pull.ratio(out, "pull / hashing floor", tasks[3], mostFloor)
	} else {
		pull.ratio(out, "pull / floor", tasks[2], mostFloor)
		pull.ratio(out, "pull / hashing floor", tasks[3], 0)
	}
	fmt.Fprintf(out, "  warm pull - listing             %6.1f ms  (wanted: at most 50)\n", 1000*median(warm))
	return pull.median(), nil
}

// measure runs the task once, then calls then, which is not measured.
func (t *task) measure(ctx context.Context, parent string, then func(dir string) error) (err error) {
	dir := filepath.Join(parent, "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	runtime.GC()
	_ = exec.CommandContext(ctx, "sync").Run() // the task before's writes are not this one's
	start, cpu := time.Now(), cpuTime()
	if err := t.run(dir); err != nil {
		return err
	}
	took := used{wall: time.Since(start).Seconds(), cpu: (cpuTime() - cpu).Seconds()}
	if took.disk, err = diskUse(ctx, dir); err != nil {
		return err
	}
	t.used = append(t.used, took)
	return then(dir)
}

// cpuTime is that of this process, and of its children that have ended.
func cpuTime() time.Duration {
	total := int64(0)
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		_ = syscall.Getrusage(who, &r) // fails for no valid who
		total += r.Utime.Nano() + r.Stime.Nano()
	}
	return time.Duration(total)
}

func (t *task) median() used {
	return used{
		wall: median(t.each(func(u used) float64 { return u.wall })), cpu: median(t.each(func(u used) float64 { return u.cpu })),
		disk: median(t.each(func(u used) float64 { return u.disk })),
	}
}

func (t *task) each(of func(used) float64) []float64 {
	all := make([]float64, 0, len(t.used))
	for _, u := range t.used {
		all = append(all, of(u))
	}
	return all
}

func (t *task) print(out io.Writer) {
	walls, m := t.each(func(u used) float64 { return u.wall }), t.median()
	fmt.Fprintf(out, "  %-37s %7.3f s (%.3f to %.3f)  CPU %6.3f s  disk %4.0f MB\n",
		t.name, m.wall, slices.Min(walls), slices.Max(walls), m.cpu, m.disk/1e6)
}

// ratio prints the median of the ratios of each run.
func (t *task) ratio(out io.Writer, name string, yardstick *task, limit float64) {
	walls, cpus := make([]float64, 0, len(t.used)), make([]float64, 0, len(t.used))
	for i, u := range t.used {
		walls, cpus = append(walls, u.wall/yardstick.used[i].wall), append(cpus, u.cpu/yardstick.used[i].cpu)
	}
	fmt.Fprintf(out, "  %-31s %6.2f", name, median(walls))
	if limit > 0 {
		fmt.Fprintf(out, "  (wanted: at most %.1f)", limit)
	}
	fmt.Fprintf(out, "  CPU %.2f\n", median(cpus))
}

func median(all []float64) float64 { return slices.Sorted(slices.Values(all))[len(all)/2] }
