// Package command starts commands in the guest, as a user, with or without a
// terminal, and reports how they ended.
package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agent/account"
)

// DefaultPath is PATH where neither the image nor the caller sets it.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Exit statuses of a command that did not start, as a shell has them.
const (
	StatusCannotRun = 126
	StatusNotFound  = 127
)

// StartError says why a command did not start, with a shell's exit status.
type StartError struct {
	Status int
	Err    error
}

// Error is the cause's.
func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Spec is a command to start. Argv[0] is looked up in Env's PATH when it has no
// slash. Arg0 replaces argv[0] as the program sees it, when set.
type Spec struct {
	Argv []string
	Arg0 string
	Env  []string // complete; see Environ
	Dir  string   // absolute
	User account.Account
	TTY  bool // the files are one terminal, which becomes the controlling one
}

// Process is a started command, the leader of its own session and process
// group. The caller calls Wait exactly once.
type Process struct {
	proc *os.Process
	done chan struct{} // closed when the pid is no longer ours
	lock chan struct{} // held while a signal is sent or the pid given up
}

// Start starts spec with stdin, stdout and stderr, which stay the caller's. The
// error is a *StartError.
func Start(spec Spec, stdin, stdout, stderr *os.File) (*Process, error) {
	if len(spec.Argv) == 0 || spec.Argv[0] == "" {
		return nil, &StartError{StatusNotFound, errors.New("no command given")}
	}
	if info, err := os.Stat(spec.Dir); err != nil || !info.IsDir() {
		return nil, &StartError{StatusCannotRun, fmt.Errorf("the working directory %q is not a directory in the guest", spec.Dir)}
	}
	path, err := lookPath(spec)
	if err != nil {
		return nil, err
	}
	argv := spec.Argv
	if spec.Arg0 != "" {
		argv = append([]string{spec.Arg0}, argv[1:]...)
	}
	proc, err := os.StartProcess(path, argv, &os.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: []*os.File{stdin, stdout, stderr},
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Setctty:    spec.TTY,
			Credential: credential(spec.User),
		},
	})
	if err != nil {
		status := StatusCannotRun
		if errors.Is(err, fs.ErrNotExist) {
			status = StatusNotFound
		}
		return nil, &StartError{status, explain(path, spec, errors.Unwrap(err))}
	}
	shareOOM(proc.Pid)
	return &Process{proc: proc, done: make(chan struct{}), lock: make(chan struct{}, 1)}, nil
}

// shareOOM takes from a command the protection that the agent has against the
// kernel's out-of-memory killer.
func shareOOM(pid int) {
	if os.Getuid() == 0 {
		_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("0"), 0) // it may have ended already
	}
}

// credential is nil when the process is already that user, as in tests that do
// not run as root.
func credential(a account.Account) *syscall.Credential {
	if int(a.UID) == os.Getuid() && a.UID != 0 {
		return nil
	}
	return &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: a.Groups}
}

// Done is closed when the process has been waited for.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the process and returns its exit status, 128+n when signal n
// ended it; signal is then n, else 0.
func (p *Process) Wait() (status int, signal syscall.Signal, err error) {
	state, err := p.proc.Wait()
	p.lock <- struct{}{}
	close(p.done)
	<-p.lock
	if err != nil {
		return 0, 0, fmt.Errorf("wait for the command: %w", err)
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal()), ws.Signal(), nil
	}
	return state.ExitCode(), 0, nil
}

// Signal sends sig to the process group, unless the process was waited for.
func (p *Process) Signal(sig syscall.Signal) error {
	p.lock <- struct{}{}
	defer func() { <-p.lock }()
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
		return syscall.Kill(-p.proc.Pid, sig)
	}
}

// KillGroup kills what is left of the process group, also after Wait: a group
// lives as long as one member, and its id is not used again before.
func (p *Process) KillGroup(sig syscall.Signal) { _ = syscall.Kill(-p.proc.Pid, sig) }

func lookPath(spec Spec) (string, error) {
	name := spec.Argv[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(spec.Dir, name)
		}
		return name, executable(name, spec.Argv[0])
	}
	var found error
	for _, dir := range filepath.SplitList(Getenv(spec.Env, "PATH")) {
		if dir == "" {
			dir = "."
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(spec.Dir, dir)
		}
		path := filepath.Join(dir, name)
		err := executable(path, name)
		if err == nil {
			return path, nil
		}
		if se := (*StartError)(nil); errors.As(err, &se) && se.Status == StatusCannotRun {
			found = err
		}
	}
	if found != nil {
		return "", found
	}
	return "", &StartError{StatusNotFound, fmt.Errorf("%s: command not found", name)}
}

func executable(path, shown string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return &StartError{StatusNotFound, fmt.Errorf("%s: no such file", shown)}
	case info.IsDir():
		return &StartError{StatusCannotRun, fmt.Errorf("%s: is a directory", shown)}
	case info.Mode()&0o111 == 0:
		return &StartError{StatusCannotRun, fmt.Errorf("%s: permission denied", shown)}
	}
	return nil
}

// Environ is the environment of a command of user a: defaults, then each of
// layers over those before. Entries without "=" are dropped.
func Environ(a account.Account, layers ...[]string) []string {
	env := []string{
		"PATH=" + DefaultPath, "HOME=" + a.Home, "USER=" + a.Name, "LOGNAME=" + a.Name, "SHELL=" + a.Shell,
	}
	for _, layer := range layers {
		for _, kv := range layer {
			key, _, ok := strings.Cut(kv, "=")
			if !ok || key == "" || strings.ContainsRune(kv, 0) {
				continue
			}
			at := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, key+"=") })
			if at >= 0 {
				env[at] = kv
			} else {
				env = append(env, kv)
			}
		}
	}
	return env
}

// Getenv returns the value of key in env, or "".
func Getenv(env []string, key string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v
		}
	}
	return ""
}
