package monitor_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitor"
	"github.com/bangervm/banger/internal/monitor/testguest"
	"github.com/bangervm/banger/internal/monitors"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// TestMain makes the test binary serve as `bangerd monitor DIR` too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "monitor" {
		os.Exit(monitor.Command(os.Args[2:], os.Stderr))
	}
	if len(os.Args) > 1 && os.Args[1] == "confine" {
		os.Exit(confine.Command(os.Args[2:], os.Stderr))
	}
	_ = os.Setenv("SECRET_OF_THE_SHELL", "hunter2") // as of what starts bangerd
	goleak.VerifyTestMain(m)
}

// bootLimit bounds any wait for a guest, on a machine as slow as it may be.
const bootLimit = 2 * time.Minute

// guest is a VM in a test, with its monitor in a process of its own.
type guest struct {
	t        *testing.T
	dir      statedir.VM
	spec     vm.Spec
	launcher *monitors.Launcher
	machine  vm.Machine
	events   <-chan vm.Status
	seen     vm.Status
}

// newGuest prepares a VM; words tell the guest what to do, disk is a path or empty.
func newGuest(t *testing.T, disk string, words ...string) *guest {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a machine")
	}
	t.Parallel()
	return newSecondGuest(t, append([]string{disk}, words...)...)
}

// newSecondGuest is newGuest in a test that has one; all may be left out.
func newSecondGuest(t *testing.T, words ...string) *guest {
	t.Helper()
	disk := ""
	if len(words) > 0 {
		disk, words = words[0], words[1:]
	}
	files := testguest.Make(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	dirs := statedir.Dirs{State: state}
	g := &guest{
		t:        t,
		dir:      dirs.VM("0123456789abcdef"),
		launcher: monitors.New(dirs, []string{self, "monitor"}, slog.New(slog.NewTextHandler(io.Discard, nil))).Confine([]string{self, "confine"}),
		spec: vm.Spec{
			Format: vm.SpecFormat, VMID: "0123456789abcdef", Name: "guest", StartID: t.Name(),
			Driver: "qemu-tcg", VMM: files.VMM, VCPU: 1, MemoryBytes: 192 << 20,
			Kernel: files.Kernel, Initramfs: files.Initramfs,
			Guest:              vm.Guest{Hostname: "guest", Env: words, Init: vm.InitAgent, Reset: true},
			ReadyTimeoutMillis: bootLimit.Milliseconds(),
		},
	}
	if disk != "" {
		g.spec.Disks = []vm.Disk{{Serial: vm.SerialVM, Path: disk}}
	}
	if err := os.MkdirAll(string(g.dir), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, path := range []string{g.dir.MonitorLog(), g.dir.Console()} {
				data, err := os.ReadFile(path)
				t.Logf("%s (%v):\n%s", filepath.Base(path), err, data[max(0, len(data)-3000):])
			}
		}
	})
	return g
}

// start starts the VM, and sees to it that nothing of it is left.
func (g *guest) start() *guest {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*bootLimit)
	g.t.Cleanup(cancel)
	m, err := g.launcher.Start(ctx, g.spec)
	if err != nil {
		g.t.Fatal("start:", err)
	}
	g.machine = m
	g.events, err = m.Events(ctx)
	if err != nil {
		g.t.Fatal("events:", err)
	}
	g.t.Cleanup(func() {
		if g.seen.Phase != vm.PhaseExited {
			_ = m.Stop(ctx, 0)
			for range g.events {
			}
		}
		g.nothingLeft()
	})
	return g
}

func (g *guest) nothingLeft() {
	entries, err := os.ReadDir(g.dir.Run())
	if err != nil {
		g.t.Error(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(g.dir.MonitorLock()) {
			g.t.Errorf("%s is left in the run directory", e.Name())
		}
	}
}

// until waits for a status that want accepts.
func (g *guest) until(what string, want func(vm.Status) bool) vm.Status {
	g.t.Helper()
	limit := time.NewTimer(bootLimit)
	defer limit.Stop()
	for {
		select {
		case s, ok := <-g.events:
			if !ok {
				g.t.Fatalf("the events ended before %s; the last was %+v", what, g.seen)
			}
			g.seen = s
			if want(s) {
				return s
			}
		case <-limit.C:
			g.t.Fatalf("no %s within %v; the last was %+v", what, bootLimit, g.seen)
		}
	}
}

func (g *guest) ready() *guest {
	g.t.Helper()
	g.until("ready", func(s vm.Status) bool { return s.Phase == vm.PhaseReady })
	return g
}

// exit waits for the end, and sees that events and exit.json agree on it.
func (g *guest) exit() vm.Exit {
	g.t.Helper()
	s := g.until("exit", func(s vm.Status) bool { return s.Phase == vm.PhaseExited })
	onDisk, err := g.launcher.LastExit(g.t.Context(), g.spec.VMID)
	if err != nil {
		g.t.Fatal("exit.json:", err)
	}
	if onDisk != s.Exit {
		g.t.Errorf("exit.json says %+v, the events %+v", onDisk, s.Exit)
	}
	return onDisk
}

func (g *guest) wantExit(reason string, failed bool) vm.Exit {
	g.t.Helper()
	e := g.exit()
	if e.Reason != reason || e.Failed != failed || e.StartID != g.spec.StartID {
		g.t.Errorf("exit is %+v; want reason %s, failed %v", e, reason, failed)
	}
	return e
}

// command opens a stream of the agent channel, as any client of the host does.
func (g *guest) command(word string) *net.UnixConn {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), bootLimit)
	defer cancel()
	conn, err := statedir.DialUnix(ctx, g.dir.VsockSocket())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := fmt.Fprintf(conn, "CONNECT %d\n", testguest.CommandPort); err != nil {
		g.t.Fatal(err)
	}
	if answer := g.line(conn); !strings.HasPrefix(answer, "OK ") {
		g.t.Fatalf("CONNECT was answered %q", answer)
	}
	if _, err := fmt.Fprintln(conn, word); err != nil {
		g.t.Fatal(err)
	}
	return conn.(*net.UnixConn)
}

func (g *guest) line(conn net.Conn) string {
	g.t.Helper()
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := conn.Read(b); err != nil {
			g.t.Fatalf("after %q: %v", line, err)
		}
		if b[0] == '\n' {
			return string(line)
		}
	}
}

func TestMachineRunsAndStops(t *testing.T) {
	g := newGuest(t, "").start()
	began := time.Now()
	g.until("hello", func(s vm.Status) bool { return s.Phase == vm.PhaseConfiguring })
	t.Logf("hello %v after the monitor answered", time.Since(began).Round(time.Millisecond))
	g.ready()
	s := g.seen
	if s.Boots != 1 || s.Init != "agent" || !s.AgentOK || s.VMMPID == 0 || s.ReadyAt.IsZero() {
		t.Errorf("status is %+v", s)
	}
	t.Logf("monitor: %s", memory(t, s.MonitorPID))

	conn := g.command("echo")
	message := bytes.Repeat([]byte("banger "), 100_000)
	go func() {
		_, _ = conn.Write(message)
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, message) {
		t.Errorf("echo of %d bytes gave %d, %v", len(message), len(got), err)
	}

	adopted, err := g.launcher.Adopt(t.Context(), g.spec.VMID)
	if err != nil {
		t.Fatal("adopt:", err)
	}
	if err := adopted.Stop(t.Context(), bootLimit); err != nil {
		t.Fatal("stop:", err)
	}
	g.wantExit(vm.ReasonStopped, false)
	if err := adopted.Pause(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("pause after the end gave %v", err)
	}
}

func TestMachineKeepsTime(t *testing.T) {
	g := newGuest(t, "").start().ready()
	start := time.Now()
	// The quickest of some questions says best when it was answered.
	sample := func() (host, guest int64) {
		best := time.Hour
		for range 10 {
			asked := time.Since(start)
			n, err := strconv.ParseInt(g.line(g.command("monotonic")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start) - asked; took < best {
				best, host, guest = took, int64(asked+took/2), n
			}
		}
		return host, guest
	}
	h1, g1 := sample()
	<-time.After(5 * time.Second)
	h2, g2 := sample()
	ratio := float64(g2-g1) / float64(h2-h1)
	t.Logf("guest/host = %.4f", ratio)
	if ratio < 0.99 || ratio > 1.01 {
		t.Errorf("the guest's clock runs at %.4f of the host's", ratio)
	}
}

func TestGuestPowersOff(t *testing.T) {
	g := newGuest(t, "").start().ready()
	g.command("poweroff")
	g.wantExit(vm.ReasonPoweroff, false)
}

func TestGuestReboots(t *testing.T) {
	g := newGuest(t, "").start().ready()
	if got := g.line(g.command("reset")); got != "true" {
		t.Errorf("on the first boot reset is %s", got)
	}
	g.command("reboot")
	g.until("second boot", func(s vm.Status) bool { return s.Boots == 2 && s.Phase == vm.PhaseReady })
	if got := g.line(g.command("reset")); got != "false" {
		t.Errorf("on the second boot reset is %s", got)
	}
}

func TestGuestCannotBeSetUp(t *testing.T) {
	g := newGuest(t, "", "fail").start()
	e := g.wantExit(vm.ReasonGuestFailed, true)
	if !strings.Contains(e.Message, "as the test asked") {
		t.Errorf("message is %q", e.Message)
	}
}

func TestGuestResetsTooEarly(t *testing.T) {
	g := newGuest(t, "", "reset-early").start()
	e := g.wantExit(vm.ReasonGuestFailed, true)
	if !strings.Contains(e.Message, "last words") || e.Boots != 1 {
		t.Errorf("exit is %+v", e)
	}
}

func TestGuestIsNeverReady(t *testing.T) {
	g := newGuest(t, "", "silent")
	g.spec.ReadyTimeoutMillis = 6000
	g.start()
	g.wantExit(vm.ReasonNotReady, true)
}

func TestDeafGuestIsStoppedHard(t *testing.T) {
	g := newGuest(t, "", "deaf").start().ready()
	if err := g.machine.Stop(t.Context(), 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	g.wantExit(vm.ReasonForced, false)
}

func TestKillReachesTheVMM(t *testing.T) {
	g := newGuest(t, "").start().ready()
	if err := g.machine.Kill(t.Context(), int(syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	g.wantExit(vm.ReasonKilled, false)
}

func TestVMMKilledByAStranger(t *testing.T) {
	g := newGuest(t, "").start().ready()
	if err := syscall.Kill(g.seen.VMMPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e := g.wantExit(vm.ReasonVMMFailed, true)
	if !strings.Contains(e.Message, "SIGKILL") {
		t.Errorf("message is %q", e.Message)
	}
}

// awaitDeath waits until the process behind a pidfd has ended.
func awaitDeath(t *testing.T, pidfd int) {
	t.Helper()
	for deadline := time.Now().Add(bootLimit); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if errors.Is(err, unix.EINTR) && time.Now().Before(deadline) {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("a process outlives its monitor: %d, %v", n, err)
		}
		return
	}
}

func TestMonitorKilled(t *testing.T) {
	g := newGuest(t, "")
	files := g.spec // started without start's cleanup: a killed monitor leaves its sockets
	m, err := g.launcher.Start(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	g.events, err = m.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.ready()
	vmm, err := unix.PidfdOpen(g.seen.VMMPID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(vmm) }()
	monitor, err := unix.PidfdOpen(g.seen.MonitorPID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(monitor) }()
	if err := syscall.Kill(g.seen.MonitorPID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitDeath(t, monitor)
	awaitDeath(t, vmm)
	for s := range g.events {
		if s.Phase == vm.PhaseExited {
			t.Errorf("a killed monitor told of an exit: %+v", s)
		}
	}
	if _, err := g.launcher.Adopt(t.Context(), g.spec.VMID); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("adopt gave %v; want not found", err)
	}
	if _, err := g.launcher.LastExit(t.Context(), g.spec.VMID); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("last exit gave %v; want not found", err)
	}
	g.start().ready() // what is left is no obstacle
}

func TestPauseAndResume(t *testing.T) {
	g := newGuest(t, "").start().ready()
	for range 2 { // twice is as once
		if err := g.machine.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g.until("pause", func(s vm.Status) bool { return s.Paused })
	for range 2 {
		if err := g.machine.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g.until("resume", func(s vm.Status) bool { return !s.Paused })
	told, err := strconv.ParseInt(g.line(g.command("clock")), 10, 64)
	if err != nil || time.Since(time.Unix(0, told)) > time.Minute {
		t.Errorf("after the resume the guest was told the time %d, %v", told, err)
	}
	if err := g.machine.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := g.machine.Stop(t.Context(), bootLimit); err != nil {
		t.Fatal(err)
	}
	g.wantExit(vm.ReasonStopped, false)
}

func TestFullHostStopsTheMachine(t *testing.T) {
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=4m"); err != nil {
		testguest.Missing(t, fmt.Errorf("mount a small tmpfs: %w", err))
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, 0) })
	disk := filepath.Join(small, "disk")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 8<<20); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, disk).start().ready()
	conn := g.command("fill")
	s := g.until("warning", func(s vm.Status) bool { return s.Warning != "" && s.Paused })
	if !strings.Contains(s.Warning, "full") {
		t.Errorf("warning is %q", s.Warning)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	if err := g.machine.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := g.line(conn); got != "<nil>" {
		t.Errorf("the guest saw %s", got)
	}
}

func TestStartSaysWhyItCannot(t *testing.T) {
	g := newGuest(t, filepath.Join(t.TempDir(), "no-such-disk"))
	_, err := g.launcher.Start(t.Context(), g.spec)
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(fmt.Sprint(err), "no-such-disk") {
		t.Errorf("start gave %v", err)
	}
	if e, err := g.launcher.LastExit(t.Context(), g.spec.VMID); err != nil || e.Reason != vm.ReasonStartFailed {
		t.Errorf("last exit is %+v, %v", e, err)
	}
	g.nothingLeft()
}

// memory is what a process has in memory, by its smaps_rollup.
func memory(t *testing.T, pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		for _, key := range []string{"Rss:", "Pss:", "Private_Dirty:", "Anonymous:"} {
			if strings.HasPrefix(lines.Text(), key) {
				found = append(found, strings.Join(strings.Fields(lines.Text()), " "))
			}
		}
	}
	t.Helper()
	return strings.Join(found, ", ")
}

// What the VMM and the monitor have of the host, as /proc shows it.
func TestTheVMMIsConfined(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, disk).start().ready()
	s := g.seen
	for what, words := range map[string][]string{
		s.Confinement:        {"no new privileges", "resource limits", "an environment of its own"},
		s.MonitorConfinement: {"no new privileges", "an environment of its own"},
	} {
		for _, want := range words {
			if !strings.Contains(what, want) {
				t.Errorf("%q lacks %q", what, want)
			}
		}
	}
	t.Logf("the VMM has: %s; the monitor: %s", s.Confinement, s.MonitorConfinement)
	proc := func(pid int, name string) string {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	for _, pid := range []int{s.VMMPID, s.MonitorPID} {
		if env := proc(pid, "environ"); strings.Contains(env, "hunter2") || strings.Contains(env, "HOME=") {
			t.Errorf("process %d has the environment %q", pid, env)
		}
		if status := proc(pid, "status"); !strings.Contains(status, "NoNewPrivs:\t1") {
			t.Errorf("process %d may gain privileges", pid)
		}
		if limits := proc(pid, "limits"); !strings.Contains(limits, "Max core file size        0                    0") {
			t.Errorf("process %d may dump its core: %s", pid, limits)
		}
	}
	if line := proc(s.VMMPID, "cmdline"); strings.Contains(line, disk) {
		t.Error("QEMU is told where the disk is")
	}
	if confine.HasNamespaces(t.Context()) {
		ours, err := os.Readlink("/proc/self/ns/net")
		theirs, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", s.VMMPID))
		if err != nil || err2 != nil || ours == theirs {
			t.Errorf("the network namespaces are %s and %s: %v, %v", ours, theirs, err, err2)
		}
	}
	if strings.Contains(s.Confinement, "seccomp") && !strings.Contains(proc(s.VMMPID, "status"), "Seccomp:\t2") {
		t.Error("QEMU has no seccomp filter")
	}
}
