package firecracker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
)

// fakeName begins the names by which this test's binary is Firecracker. What follows says
// how, escaped as in a URL: words separated by commas, of "version=V", "refuse=CALL",
// "hang=CALL", "kill=CALL" for one that SIGKILL ends during a call, "die", "mute", "words",
// "start=WORDS" for a guest that cannot be started, and "spoil=FILE" for one that changes a
// file before anything else.
const fakeName = "fake,"

// TestMain also serves as `bangerd confine`.
func TestMain(m *testing.M) {
	if how, ok := strings.CutPrefix(filepath.Base(os.Args[0]), fakeName); ok {
		how, _ = url.QueryUnescape(how)
		os.Exit(fakeProgram(how, os.Args))
	}
	if len(os.Args) > 1 && os.Args[1] == "read-cpus" {
		_, err := readCPUs(os.Getppid())
		_, _ = fmt.Fprintln(os.Stdout, err)
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "confine" {
		os.Exit(confine.Command(os.Args[2:], os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// fakeProgram is Firecracker without KVM. Its guest obeys as vmmtest.Contract asks.
func fakeProgram(how string, args []string) int {
	f := &fakeAPI{version: "1.15.1", phase: "Not started", booted: map[string]bool{}}
	startError := ""
	for word := range strings.SplitSeq(how, ",") {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "version":
			f.version = value
		case "refuse":
			f.refuses = value
		case "hang":
			f.hangs = value
		case "kill":
			f.sent = func(call string) {
				if call == value {
					_ = unix.Kill(os.Getpid(), unix.SIGKILL)
				}
			}
		case "start":
			startError = value
		case "spoil":
			if err := os.Truncate(value, 1); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		case "words":
			say(args, "Error creating KVM object: odd")
			return 1
		case "die":
			fmt.Fprintln(os.Stderr, "Error: ArgParsing(odd)")
			return 153
		case "mute":
			for { // in a system call: a static Go program in which nothing else can run ends itself
				_ = unix.Pause()
			}
		}
	}
	g := &fakeGuest{running: true}
	g.moves.L = &g.mu
	f.start = func(l net.Listener) error {
		if startError != "" {
			return errors.New(startError)
		}
		_, _ = fmt.Fprintln(os.Stdout, "the guest's console")
		go g.cpu()
		go g.serve(l)
		return nil
	}
	f.press = func() { time.AfterFunc(10*time.Millisecond, func() { os.Exit(0) }) } // behind the answer
	f.state = func(paused bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.running = !paused
		g.moves.Broadcast()
	}
	l, err := net.Listen("unix", args[slices.Index(args, "--api-sock")+1]) //nolint:noctx // at once
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, http.Serve(l, f)) //nolint:gosec // a test
	return 1
}

// say writes a line to Firecracker's log.
func say(args []string, text string) {
	f, err := os.OpenFile(args[slices.Index(args, "--log-path")+1], os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, "2026-11-29T22:44:23.1 [x:main] %s\n2026-11-29T22:44:23.1 [x:main] Firecracker exiting with error. exit_code=1\n", text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// fakeGuest is what runs in the fake.
type fakeGuest struct {
	mu      sync.Mutex
	moves   sync.Cond
	running bool
	off     bool
}

// cpu is the thread of the only virtual CPU, which does some work now and then until
// the guest is off.
func (g *fakeGuest) cpu() {
	nameThread()
	for ticks := time.NewTicker(time.Millisecond); ; <-ticks.C {
		g.mu.Lock()
		off := g.off
		g.mu.Unlock()
		if off {
			_, _ = unix.Ppoll(nil, nil, nil) // as one that has halted: for ever
		}
	}
}

// nameThread makes this goroutine's thread one of a virtual CPU.
func nameThread() {
	runtime.LockOSThread()
	name := []byte("fc_vcpu 0\x00")
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
}

// awaitRunning returns when the virtual CPUs run.
func (g *fakeGuest) awaitRunning() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.running {
		g.moves.Wait()
	}
}

func (g *fakeGuest) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go g.obey(conn)
	}
}

func (g *fakeGuest) obey(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	lines := bufio.NewReader(conn)
	line, err := lines.ReadString('\n')
	g.awaitRunning()
	if err != nil || !strings.HasPrefix(line, "CONNECT ") {
		return
	}
	_, _ = io.WriteString(conn, "OK 1073741824\n")
	command, err := lines.ReadString('\n')
	if err != nil {
		return
	}
	g.awaitRunning()
	switch strings.TrimSpace(command) {
	case "echo":
		_, _ = io.Copy(conn, lines)
	case "poweroff":
		g.mu.Lock()
		g.off = true
		g.mu.Unlock()
	case "reboot":
		os.Exit(0)
	}
}
