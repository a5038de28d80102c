package gittree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// Bounds are what one run of git may take. The kernel enforces them, for the
// programs that git starts as well.
type Bounds struct {
	Memory int64 // address space, in bytes
	CPU    int64 // time on a CPU, in seconds
	File   int64 // size of a file that is written, in bytes
}

// niceness is for work that somebody else is the cause of: the user's own
// programs come first.
const niceness = 10

// limited lowers the limits and becomes git, so that git never runs without
// them. The limit of time is a soft one, which git is told of by name. The shell
// counts memory in KiB and files in blocks of 512 bytes.
const limited = `ulimit -c 0 && ulimit -v "$1" && ulimit -S -t "$2" && ulimit -f "$3" && shift 3 && exec "$@"`

// command is the command line of a bounded run.
func (b Bounds) command(ctx context.Context, path string, args []string) *exec.Cmd {
	limits := []string{
		"-c", limited, "git",
		amount(b.Memory, syscall.RLIMIT_AS, 1<<10), amount(b.CPU, syscall.RLIMIT_CPU, 1), amount(b.File, syscall.RLIMIT_FSIZE, 512),
	}
	return exec.CommandContext(ctx, "/bin/sh", append(append(limits, path), args...)...)
}

// amount is a limit in the shell's units: no more than what this process may
// have itself, for a limit cannot be raised.
func amount(want int64, resource int, unit uint64) string {
	most := uint64(max(want, 0))
	var own syscall.Rlimit
	if err := syscall.Getrlimit(resource, &own); err == nil {
		most = min(most, own.Max)
	}
	return strconv.FormatUint(most/unit, 10)
}

// lower gives a process that has just started a low priority. One that has
// ended already needs none.
func lower(pid int) { _ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, niceness) }

// maxOutput bounds what Output keeps, in bytes, unless a Git says otherwise.
const maxOutput = 256 << 20

// OutputError says that git printed more than is read. What it printed is
// chosen by whoever made the repository.
type OutputError struct {
	Verb string
	Most int // bytes
}

func (e *OutputError) Error() string {
	return fmt.Sprintf("git %s prints more than %d MiB", e.Verb, e.Most>>20)
}

// output keeps what is written to it, up to most bytes, and fails after that.
// It has no ReadFrom, which would go past Write.
type output struct {
	kept bytes.Buffer
	most int
	over bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.kept.Len()+len(p) > o.most {
		o.over = true
		return 0, errors.New("too much output")
	}
	return o.kept.Write(p)
}
