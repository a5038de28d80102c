//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/e2e/fixture"
)

// commands are the verbs that the scripts have beyond testscript's own.
func commands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"code":      cmdCode,
		"json":      cmdJSON,
		"until":     cmdUntil,
		"signal":    cmdSignal,
		"gone":      cmdGone,
		"alive":     cmdAlive,
		"interrupt": cmdInterrupt,
		"registry":  cmdRegistry,
		"mktar":     cmdMktar,
		"mkimage":   cmdMkimage,
		"clock":     cmdClock,
		"jsonrpc":   cmdJSONRPC,
		"mcp":       (&mcpVerb{}).run,
		"browser":   (&browserVerb{}).run,
		"internet":  cmdInternet,
		"hits":      cmdHits,
		"dial":      cmdDial,
		"appears":   cmdAppears,
		"hostile":   cmdHostile,
		"killed":    cmdKilled,
	}
}

func want(ts *testscript.TestScript, neg bool, ok bool, usage string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// cmdCode runs a command and checks its exit status.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 2, "code STATUS CMD ARGS...")
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := exitStatus(ts.Exec(args[1], args[2:]...))
	if got != status {
		ts.Fatalf("exit status %d, want %d", got, status)
	}
}

func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal())
		}
		return exit.ExitCode()
	}
	return -1
}

// cmdJSON sets a variable to a value in the JSON on the last stdout, at a path
// such as runtime.monitor_pid or 0.name.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "json VAR PATH")
	var value any
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	decoder.UseNumber()
	ts.Check(decoder.Decode(&value))
	for key := range strings.SplitSeq(args[1], ".") {
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[key]
			if !ok {
				ts.Fatalf("no %q in %v", key, v)
			}
			value = inner
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				ts.Fatalf("no element %q of %d", key, len(v))
			}
			value = v[i]
		default:
			ts.Fatalf("%q in %v", key, value)
		}
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

// cmdUntil repeats a command until it succeeds and its output matches.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 3, "until SECONDS REGEXP CMD ARGS...")
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	ok := poll(scaled(time.Duration(seconds)*time.Second), func() bool {
		return ts.Exec(args[2], args[3:]...) == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
	if !ok {
		ts.Fatalf("%q did not print %q within %d s", args[2:], args[1], seconds)
	}
}

func matches(ts *testscript.TestScript, text, pattern string) bool {
	compiled, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	return compiled.MatchString(text)
}

// poll calls done every 100 ms until it is true, and reports whether that came
// within the timeout.
func poll(timeout time.Duration, done func() bool) bool {
	deadline := time.After(timeout)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

func signalNamed(ts *testscript.TestScript, name string) syscall.Signal {
	sig := unix.SignalNum("SIG" + name)
	if sig == 0 {
		ts.Fatalf("no signal %q", name)
	}
	return sig
}

// pidOf refuses 0 and 1: a mistake in a script must not reach other processes.
func pidOf(ts *testscript.TestScript, arg string) int {
	pid, err := strconv.Atoi(arg)
	if err != nil || pid < 2 {
		ts.Fatalf("%q is no process id", arg)
	}
	return pid
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "signal KILL|INT|TERM|HUP PID")
	ts.Check(syscall.Kill(pidOf(ts, args[1]), signalNamed(ts, args[0])))
}

func running(pid int) bool {
	uid, state := statusOf(pid)
	return uid >= 0 && state != "Z" && state != "X"
}

func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 1, "gone PID...")
	for _, arg := range args {
		pid := pidOf(ts, arg)
		if !poll(scaled(10*time.Second), func() bool { return !running(pid) }) {
			ts.Fatalf("process %d still runs:\n%s", pid, threadsOf(pid))
		}
	}
}

func cmdAlive(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 1, "alive PID...")
	for _, arg := range args {
		if pid := pidOf(ts, arg); !running(pid) {
			ts.Fatalf("process %d does not run", pid)
		}
	}
}

// watched collects output and tells when it matches.
type watched struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	pattern *regexp.Regexp
	seen    chan struct{}
	once    sync.Once
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if w.pattern.Match(w.buf.Bytes()) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

// cmdInterrupt starts a command, sends it a signal once its output matches, and
// checks its exit status.
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) >= 4, "interrupt SIGNAL STATUS REGEXP CMD ARGS...")
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	pattern, err := regexp.Compile(args[2])
	ts.Check(err)
	out := &watched{pattern: pattern, seen: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), scaled(time.Minute))
	defer cancel()
	program, err := lookPath(ts, args[3])
	ts.Check(err)
	cmd := exec.CommandContext(ctx, program, args[4:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = scriptEnv(ts)
	cmd.Stdout, cmd.Stderr = out, out
	ts.Check(cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-out.seen:
		ts.Check(cmd.Process.Signal(signalNamed(ts, args[0])))
		err = <-done
	case err = <-done:
		ts.Fatalf("%q ended before it printed %q: %v\n%s", args[3:], args[2], err, out.buf.String())
	}
	ts.Logf("%s", out.buf.String())
	if got := exitStatus(err); got != status {
		ts.Fatalf("exit status %d, want %d", got, status)
	}
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), ":") {
		path := dir + "/" + name
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s on PATH", name)
}

func scriptEnv(ts *testscript.TestScript) []string {
	var env []string
	keys := []string{"HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR", "PATH", "USER", "LOGNAME", "LANG", "NO_COLOR", "BANGER_DNS"}
	for _, key := range append(keys, givenVariables()...) {
		if value := ts.Getenv(key); value != "" {
			env = append(env, key+"="+value)
		}
	}
	return env
}

func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 1, "registry none|corrupt|truncated|slow")
	startRegistry(ts, args[0])
}

func cmdMktar(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "mktar KIND FILE")
	entries, err := tarKinds(context.Background(), args[0])
	ts.Check(err)
	ts.Check(fixture.WriteTar(ts.MkAbs(args[1]), entries))
}

// cmdClock compares how far the guest's and the host's clocks go in the same
// time: they must agree within 1 %, and within what asking the guest took.
func cmdClock(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, len(args) == 2, "clock NAME SECONDS")
	seconds, err := strconv.Atoi(args[1])
	ts.Check(err)
	uptime := func() (guest float64, before, after time.Time) {
		before = time.Now()
		ts.Check(ts.Exec("banger", "vm", "exec", args[0], "--", "cat", "/proc/uptime"))
		after = time.Now()
		guest, err := strconv.ParseFloat(strings.Fields(ts.ReadFile("stdout"))[0], 64)
		ts.Check(err)
		return guest, before, after
	}
	guest0, before0, after0 := uptime()
	<-time.After(time.Duration(seconds) * time.Second)
	guest1, before1, after1 := uptime()
	guest, least, most := guest1-guest0, before1.Sub(after0).Seconds(), after1.Sub(before0).Seconds()
	ts.Logf("guest %.2f s, host %.2f to %.2f s", guest, least, most)
	if guest < least*0.99 || guest > most*1.01 {
		ts.Fatalf("the guest's clock went %.2f s while the host's went %.2f to %.2f s", guest, least, most)
	}
}
