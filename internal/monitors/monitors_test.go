package monitors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// TestMain makes the test binary serve as a monitor that stands still, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "frozen" {
		freeze(statedir.VM(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

const testID = "00112233445566aa"

// newLauncher makes a launcher whose monitors are the shell script; $1 is the
// VM's directory.
func newLauncher(t *testing.T, script string) (*Launcher, statedir.VM) {
	t.Helper()
	dirs := statedir.Dirs{State: t.TempDir()}
	dir := dirs.VM(testID)
	if err := os.MkdirAll(dir.Run(), 0o700); err != nil {
		t.Fatal(err)
	}
	return New(dirs, []string{"/bin/sh", "-c", script, "monitor"}, slog.New(slog.DiscardHandler)), dir
}

// fakeMonitor answers at the VM's monitor.sock.
func fakeMonitor(t *testing.T, dir statedir.VM, handler http.HandlerFunc) {
	t.Helper()
	listener, err := statedir.ListenUnix(dir.MonitorSocket())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}

func sayStatus(s monitorrpc.Status) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(s) }
}

func TestStartPreparesTheDirectory(t *testing.T) {
	l, dir := newLauncher(t, `cp "$1/spec.json" "$1/seen"; ls /proc/$$/fd >"$1/fds"; cut -d' ' -f6 /proc/$$/stat >"$1/session"; echo ready >&3; exec 3>&-; read x <"$1/hold"`)
	if err := os.WriteFile(dir.Exit(), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	hold := filepath.Join(string(dir), "hold")
	if err := syscall.Mkfifo(hold, 0o600); err != nil {
		t.Fatal(err)
	}
	fakeMonitor(t, dir, sayStatus(monitorrpc.Status{Protocol: monitorrpc.Version, StartID: "s1", Phase: monitorrpc.PhaseBooting}))
	spec := vm.Spec{Format: vm.SpecFormat, VMID: testID, StartID: "s1", Name: "n", Guest: vm.Guest{
		Hostname: "n", Token: "secret", HostKey: "secret", Env: []string{"KEY=secret"}, Files: []vm.File{{Path: "/k", Data: []byte("secret")}},
	}}
	leaked, err := unix.FcntlInt(uintptr(syscall.Stdout), unix.F_DUPFD, 100) // as from a shell
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked) //nolint:errcheck // a copy of stdout
	if _, err := l.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	seen, err := os.ReadFile(filepath.Join(string(dir), "seen"))
	if err != nil || !strings.Contains(string(seen), "secret") {
		t.Errorf("the monitor saw %s, %v", seen, err)
	}
	if info, err := os.Stat(dir.Spec()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("spec.json: %v, %v", info, err)
	}
	noSecrets(t, dir)
	if err := writeSpec(dir, spec); err != nil { // as a bangerd that was killed leaves it
		t.Fatal(err)
	}
	if _, err := l.Adopt(t.Context(), testID); err != nil {
		t.Fatal(err)
	}
	noSecrets(t, dir)
	if _, err := os.Stat(dir.Exit()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old exit.json: %v", err)
	}
	fds, err := os.ReadFile(filepath.Join(string(dir), "fds"))
	if err != nil {
		t.Fatal(err)
	}
	for fd := range strings.FieldsSeq(string(fds)) {
		if n, err := strconv.Atoi(fd); err != nil || n > monitorrpc.ReadyFD && n < 10 || n == leaked { // the shell's own are from 10 on
			t.Errorf("the monitor inherited descriptor %s", fd)
		}
	}
	session, err := os.ReadFile(filepath.Join(string(dir), "session"))
	if own, _ := unix.Getsid(0); err != nil || strings.TrimSpace(string(session)) == strconv.Itoa(own) {
		t.Errorf("the monitor is in our session: %s, %v", session, err)
	}
	if f, err := os.OpenFile(hold, os.O_WRONLY, 0); err != nil { // lets the script end
		t.Error(err)
	} else {
		_ = f.Close()
	}
}

// noSecrets checks that spec.json has no more of a guest than it may.
func noSecrets(t *testing.T, dir statedir.VM) {
	t.Helper()
	data, err := os.ReadFile(dir.Spec())
	if err != nil {
		t.Fatal(err)
	}
	var spec vm.Spec
	if err := json.Unmarshal(data, &spec); err != nil || spec.Guest.Hostname != "n" {
		t.Errorf("spec.json is %s: %v", data, err)
	}
	if g := spec.Guest; g.Token != "" || g.HostKey != "" || g.Env != nil || g.Files != nil {
		t.Errorf("secrets stay in spec.json: %s", data)
	}
}

func TestStartTellsWhyNot(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		code         fault.Code
		text         string
	}{
		{"a problem", `echo '{"code":"unavailable","message":"no QEMU","hint":"install it"}' >&3`, fault.Unavailable, "no QEMU"},
		{"no word", `exit 7`, fault.Internal, "without a message"},
		{"nonsense", `echo hello >&3`, fault.Internal, "hello"},
		{"an endless word", `head -c 1000000 /dev/zero >&3`, fault.Internal, "without a message"},
		{"ready, but deaf", `echo ready >&3`, fault.Unavailable, "does not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := newLauncher(t, tt.script)
			_, err := l.Start(t.Context(), vm.Spec{VMID: testID, StartID: "s"})
			if fault.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("start gave %v; want %s, %q", err, tt.code, tt.text)
			}
		})
	}
}

func TestStartGivenUpLeavesNoMonitor(t *testing.T) {
	l, dir := newLauncher(t, `echo $$ >"$1/pid.tmp"; mv "$1/pid.tmp" "$1/pid"; echo up >"$1/fifo"; exec sleep 1000`)
	fifo := filepath.Join(string(dir), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if f, err := os.Open(fifo); err == nil { // waits for the script
			_ = f.Close()
		}
		cancel()
	}()
	if _, err := l.Start(ctx, vm.Spec{VMID: testID, StartID: "s"}); fault.CodeOf(err) != fault.Canceled {
		t.Errorf("start gave %v", err)
	}
	data, err := os.ReadFile(filepath.Join(string(dir), "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the monitor is still there: %v", err)
	}
}

func TestAdopt(t *testing.T) {
	lock := func(t *testing.T, dir statedir.VM) {
		f, err := os.Create(dir.MonitorLock())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name  string
		setup func(t *testing.T, dir statedir.VM)
		code  fault.Code
	}{
		{"none", func(*testing.T, statedir.VM) {}, fault.NotFound},
		{"dead", func(t *testing.T, dir statedir.VM) {
			if err := errors.Join(os.WriteFile(dir.MonitorLock(), nil, 0o600), os.WriteFile(dir.MonitorSocket(), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}, fault.NotFound},
		{"alive but silent", lock, fault.Unavailable},
		{"of a newer build", func(t *testing.T, dir statedir.VM) {
			lock(t, dir)
			fakeMonitor(t, dir, sayStatus(monitorrpc.Status{Protocol: monitorrpc.Version + 1, PID: 42}))
		}, fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, dir := newLauncher(t, "")
			tt.setup(t, dir)
			if _, err := l.Adopt(t.Context(), testID); fault.CodeOf(err) != tt.code {
				t.Errorf("adopt gave %v; want %s", err, tt.code)
			}
		})
	}
}

func TestAMachineIsOneStart(t *testing.T) {
	l, dir := newLauncher(t, "")
	var start atomic.Value
	start.Store("first")
	fakeMonitor(t, dir, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(monitorrpc.Status{Protocol: monitorrpc.Version, StartID: start.Load().(string)})
	})
	m, err := l.Adopt(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	start.Store("second")
	events, err := m.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for s := range events {
		t.Errorf("the first start's machine tells of the second: %+v", s)
	}
}

func TestOrdersCarryFaults(t *testing.T) {
	l, dir := newLauncher(t, "")
	var mu sync.Mutex
	var bodies []string
	fakeMonitor(t, dir, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			sayStatus(monitorrpc.Status{Protocol: monitorrpc.Version})(w, r)
			return
		}
		data, _ := io.ReadAll(r.Body)
		mu.Lock()
		bodies = append(bodies, r.URL.Path+string(data))
		mu.Unlock()
		switch r.URL.Path {
		case monitorrpc.PathPause:
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(fault.Problem{Code: string(fault.Unavailable), Message: "it has ended", Hint: "start it"})
		case monitorrpc.PathResume:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	m, err := l.Adopt(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Pause(t.Context()); fault.CodeOf(err) != fault.Unavailable || fault.HintOf(err).String() != "start it" {
		t.Errorf("pause gave %v", err)
	}
	if err := m.Resume(t.Context()); fault.CodeOf(err) != fault.Internal {
		t.Errorf("resume gave %v", err)
	}
	if err := errors.Join(m.Stop(t.Context(), 1500*time.Millisecond), m.Kill(t.Context(), 9)); err != nil {
		t.Error(err)
	}
	want := fmt.Sprint([]string{"/v1/pause{}", "/v1/resume{}", `/v1/stop{"timeout_millis":1500}`, `/v1/kill{"signal":9}`})
	if got := fmt.Sprint(bodies); got != want {
		t.Errorf("the monitor got %s; want %s", got, want)
	}
}
