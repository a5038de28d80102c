package monitor_test

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitor"
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
