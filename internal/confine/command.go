package confine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Command is `bangerd confine PLAN PROGRAM ARGUMENT...`: it confines this
// process and becomes the program, or supervises it. It returns the process's exit status
// when that fails, of which stderr gets the reason, or when a supervised program ended.
func Command(args []string, stderr io.Writer) int {
	status, err := become(args, stderr)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bangerd confine: %v\n", err)
		return 1
	}
	return status
}

func become(args []string, stderr io.Writer) (status int, err error) {
	if len(args) < 2 {
		return 0, errors.New("usage: bangerd confine PLAN PROGRAM [ARGUMENT]…")
	}
	var plan Plan
	if err := json.Unmarshal([]byte(args[0]), &plan); err != nil {
		return 0, fmt.Errorf("read the plan: %w", err)
	}
	// What is given up belongs to a thread; the program takes over this one.
	runtime.LockOSThread()
	if plan.DiesWithParent {
		// The signal is a thread's own: so far only the first has it, and this may be another.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return 0, fmt.Errorf("die with the parent: %w", err)
		}
	}
	frames, err := plan.createTAP()
	if err != nil {
		return 0, err
	}
	env, grouped := plan.enterScope(stderr)
	room, err := plan.makeRoom()
	if err != nil { // this host's refusal, which bangerd's doctor tells too
		_, _ = fmt.Fprintf(stderr, "bangerd confine: %v\n", err)
	}
	env = append(slices.Clip(env), room...)
	report, err := plan.enter()
	if err != nil {
		return 0, err
	}
	report = append(report, grouped...)
	told := func() error { return nil }
	if plan.ReportFD > 0 {
		told = func() error { return tell(plan.ReportFD, report, frames...) }
	} else {
		env = append(env, ReportEnv+"="+report.String())
	}
	if plan.JailedAs > 0 {
		return supervise(args[1:], env, told)
	}
	if err := told(); err != nil {
		return 0, fmt.Errorf("report: %w", err)
	}
	return 0, fmt.Errorf("run %s: %w", args[1], syscall.Exec(args[1], args[1:], env))
}

// enterScope returns the program's environment and what to report of its groups. A
// host without them is none to refuse a start for.
func (p Plan) enterScope(stderr io.Writer) (env []string, report Report) {
	if p.Scope == nil {
		return p.Env, nil
	}
	group, controllers, err := p.Scope.Enter(context.Background())
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bangerd confine: no control group: %v\n", err)
		return p.Env, nil
	}
	return append(slices.Clip(p.Env), GroupEnv+"="+group), Report{GroupReport(controllers)}
}

// createTAP makes the plan's device, and returns the descriptor of its frames.
func (p Plan) createTAP() ([]int, error) {
	if p.TAP == nil {
		return nil, nil
	}
	owner := os.Geteuid()
	if p.JailedAs > 0 {
		owner = p.JailedAs
	}
	frames, err := p.TAP.Create(owner)
	if err != nil {
		return nil, err
	}
	return []int{frames}, nil
}

// enter confines this thread, and says what holds.
func (p Plan) enter() (Report, error) {
	report := Report{"a private environment"}
	if err := p.limit(); err != nil {
		return nil, err
	}
	report = append(report, "resource limits")
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("give up new privileges: %w", err)
	}
	report = append(report, "no new privileges")
	if p.JailedAs > 0 {
		return append(report, "network and process namespaces", fmt.Sprintf("Firecracker's jailer (user %d)", p.JailedAs)), nil
	}
	if p.Capabilities != nil {
		if err := bound(p.Capabilities); err != nil {
			return nil, err
		}
		return append(report, fmt.Sprintf("%d capabilities of root's", len(p.Capabilities))), nil
	}
	if p.Mounts || p.Room != "" {
		root := p.newRoot
		if p.Room != "" {
			root = p.enterRoom
		}
		if err := root(); err != nil {
			return nil, err
		}
		report = append(report, "files (mount namespace)")
	}
	if err := p.leaveNamespace(); err != nil {
		return nil, err
	}
	if p.Namespaces {
		if err := p.dropCapabilities(); err != nil {
			return nil, err
		}
		report = append(report, "user and network namespaces")
	}
	if abi := LandlockABI(); abi > 0 {
		if err := landlock(p, abi); err != nil {
			return nil, err
		}
		report = append(report, fmt.Sprintf("files (Landlock ABI %d)", abi))
	}
	if p.NoSockets {
		done, err := seccomp()
		if err != nil {
			return nil, err
		}
		if done {
			report = append(report, "no new sockets (seccomp)")
		}
	}
	return report, nil
}

func (p Plan) limit() error {
	limits := map[int]int64{unix.RLIMIT_CORE: 0}
	if p.FileBytes > 0 {
		limits[unix.RLIMIT_FSIZE] = p.FileBytes
	}
	if p.Files > 0 {
		limits[unix.RLIMIT_NOFILE] = p.Files
	}
	if p.Processes > 0 && p.Namespaces {
		limits[unix.RLIMIT_NPROC] = p.Processes
	}
	for which, most := range limits {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(which, &now); err != nil {
			return fmt.Errorf("look at a resource limit: %w", err)
		}
		to := min(uint64(most), now.Max)
		if err := syscall.Setrlimit(which, &syscall.Rlimit{Cur: to, Max: to}); err != nil {
			return fmt.Errorf("set a resource limit: %w", err)
		}
	}
	return nil
}

// dropCapabilities gives up those that a process has in its own namespace;
// exec would, except root's.
func (p Plan) dropCapabilities() error {
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, secureNoRoot, 0, 0, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("give up root's capabilities: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	return nil
}

// secureNoRoot is SECBIT_NOROOT and its lock.
const secureNoRoot = 1<<0 | 1<<1
