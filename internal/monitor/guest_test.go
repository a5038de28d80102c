package monitor_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/monitor/testguest"
	"github.com/bangervm/banger/internal/monitors"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm/drivers"
)

// bootLimit bounds any wait for a guest, on a machine as slow as it may be.
const bootLimit = 2 * time.Minute

// guest is a VM in a test, with its monitor in its own process.
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
		launcher: monitors.New(dirs, []string{self, "monitor"}, slog.New(slog.NewTextHandler(io.Discard, nil))).Confine([]string{self, "confine"}, drivers.Needs),
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
