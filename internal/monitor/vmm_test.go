package monitor_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitor/testguest"
	"github.com/bangervm/banger/internal/vm"
)

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

// TestStartSaysWhatToDo has a hint pass from the driver through the monitor's process, to
// whoever started it and to exit.json.
func TestStartSaysWhatToDo(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, disk)
	g.spec.Disks[0].Pin = &vm.Pin{Bytes: 1}
	const want = "verify and repair the image"
	_, err := g.launcher.Start(t.Context(), g.spec)
	if hint := fault.HintOf(err).String(); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(hint, want) {
		t.Errorf("start gave %v, hint %q", err, hint)
	}
	e, err := g.launcher.LastExit(t.Context(), g.spec.VMID)
	if err != nil || e.Problem == nil || e.Problem.Code != string(fault.Unavailable) || !strings.Contains(e.Problem.Hint, want) {
		t.Errorf("last exit is %+v with %+v, %v", e, e.Problem, err)
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
		s.Confinement:        {"no new privileges", "resource limits", "a private environment"},
		s.MonitorConfinement: {"no new privileges", "a private environment"},
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
