package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestReadyTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		began := time.Now()
		e := r.wantExit(vm.ReasonNotReady, true)
		if took := time.Since(began); took != readyLimit {
			t.Errorf("it took %v", took)
		}
		if !strings.Contains(e.Message, "Kernel panic") {
			t.Errorf("the message %q does not quote the console", e.Message)
		}
	})
}

func TestAVMMThatDoesNotStartIsToldWithItsRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want fault.Problem
	}{
		"a fault":    {fault.New(fault.Invalid, "33 vCPUs").WithHint("use 32"), fault.Problem{Code: "invalid", Message: "33 vCPUs", Hint: "use 32"}},
		"in another": {fmt.Errorf("start: %w", fault.New(fault.Busy, "in use").WithHint("wait")), fault.Problem{Code: "busy", Message: "start: in use", Hint: "wait"}},
		"none":       {errors.New("odd"), fault.Problem{Code: "unavailable", Message: "odd"}},
	} {
		bubble(t, func(t *testing.T) {
			r := newRig(t)
			r.start = func(context.Context) (vmm.Machine, error) { return nil, c.err }
			r.run()
			e := r.wantExit(vm.ReasonStartFailed, true)
			r.showExit(e)
			if s := r.now(); e.Problem == nil || !reflect.DeepEqual(*e.Problem, c.want) || e.Message != c.want.Message || s.ExitProblem != e.Problem {
				t.Errorf("%s: the exit is %+v with %+v, the status has %+v", name, e, e.Problem, s.ExitProblem)
			}
		})
	}
}

func TestAPausedMachineIsNotLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		if err := r.pauseNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * readyLimit)
		if s := r.now(); s.Phase != monitorrpc.PhaseBooting || !s.Paused {
			t.Fatalf("status is %+v", s)
		}
		if err := r.resumeNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.beReady()
		if s := r.now(); s.Phase != monitorrpc.PhaseReady || s.Paused {
			t.Fatalf("status is %+v", s)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
	})
}

func TestStopAsksTheAgentThenEndsHard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, syscall.SIGTERM).run()
		a := r.beReady()
		began := time.Now()
		r.askStop(20 * time.Second)
		if m := <-a.out; m.Shutdown == nil || m.Shutdown.Kind != agentrpc.DownPoweroff {
			t.Errorf("the agent was told %+v", m)
		}
		if s := r.now(); s.Phase != monitorrpc.PhaseStopping {
			t.Errorf("phase is %s", s.Phase)
		}
		r.wantExit(vm.ReasonForced, false)
		pressed, signals := r.last().Got()
		if pressed != 0 || !slices.Equal(signals, []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}) {
			t.Errorf("pressed %d, signals %v", pressed, signals)
		}
		if took := time.Since(began); took != 20*time.Second+termGrace {
			t.Errorf("it took %v", took)
		}
	})
}

func TestStopWithoutAgentPressesKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		r.askStop(20 * time.Second)
		if pressed, _ := r.last().Got(); pressed != 1 {
			t.Errorf("pressed %d times", pressed)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestReset}) // as some inits do on ctrl-alt-del
		r.wantExit(vm.ReasonStopped, false)
	})
}

func TestStopTellsAnAgentThatComesLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		r.askStop(20 * time.Second)
		a := r.hello(false)
		if m := <-a.out; m.Shutdown == nil {
			t.Errorf("the agent was told %+v", m)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonStopped, false)
	})
}

func TestTheNearerDeadlineCounts(t *testing.T) {
	for _, tt := range []struct{ first, second, want time.Duration }{
		{time.Hour, time.Second, time.Second},
		{time.Second, time.Hour, time.Second},
		{time.Hour, 0, 0},
	} {
		bubble(t, func(t *testing.T) {
			r := newRig(t).run()
			r.beReady()
			began := time.Now()
			r.askStop(tt.first)
			r.askStop(tt.second)
			r.wantExit(vm.ReasonForced, false)
			if took := time.Since(began); took != tt.want {
				t.Errorf("after %v then %v it took %v", tt.first, tt.second, took)
			}
		})
	}
}

func TestTheMonitorsOwnEndStopsTheGuest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		a := r.beReady()
		r.cancel()
		if m := <-a.out; m.Shutdown == nil {
			t.Errorf("the agent was told %+v", m)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonStopped, false)
	})
}

func TestResetsAreRebootsUntilThereAreTooMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		for i := range 2 * maxResets { // apart enough
			a := r.hello(false)
			m := <-a.out
			if m.Configure == nil || m.Configure.Init.Reset != (i == 0) {
				t.Fatalf("boot %d was told %+v", i+1, m.Configure)
			}
			r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Generation: m.Configure.Generation}})
			<-time.After(resetWindow/maxResets + time.Second)
			r.last().End(vmm.Exit{Cause: vmm.GuestReset})
			if s := r.now(); s.Boots != i+2 || s.Phase != monitorrpc.PhaseBooting || s.AgentOK || !s.ReadyAt.IsZero() {
				t.Fatalf("status is %+v", s)
			}
		}
		for {
			r.beReady()
			r.last().End(vmm.Exit{Cause: vmm.GuestReset})
			synctest.Wait()
			select {
			case e := <-r.exited:
				if e.Reason != vm.ReasonReset || !e.Failed {
					t.Errorf("exit is %+v", e)
				}
				return
			default:
			}
			if len(r.machines) > 4*maxResets {
				t.Fatal("it goes on resetting")
			}
		}
	})
}

func TestJudge(t *testing.T) {
	ready := func(s *supervisor) { s.wasReady = true }
	killed := func(n syscall.Signal) func(*supervisor) {
		return func(s *supervisor) { s.wasReady, s.killed = true, int(n) }
	}
	for _, tt := range []struct {
		name   string
		set    func(*supervisor)
		exit   vmm.Exit
		reason string // empty: another boot
		failed bool
	}{
		{"poweroff", ready, vmm.Exit{Cause: vmm.GuestOff}, vm.ReasonPoweroff, false},
		{"reset", ready, vmm.Exit{Cause: vmm.GuestReset}, "", false},
		{"off before ready", func(*supervisor) {}, vmm.Exit{Cause: vmm.GuestOff}, vm.ReasonGuestFailed, true},
		{"crash", ready, vmm.Exit{Cause: vmm.Failed, Signal: 11}, vm.ReasonVMMFailed, true},
		{"crash on the way down", func(s *supervisor) { s.stopping = true }, vmm.Exit{Cause: vmm.Failed}, vm.ReasonVMMFailed, true},
		{"told by a stranger", ready, vmm.Exit{Cause: vmm.HostShutdown}, vm.ReasonVMMFailed, true},
		{"killed", killed(syscall.SIGKILL), vmm.Exit{Cause: vmm.Failed, Signal: 9}, vm.ReasonKilled, false},
		{"killed by term", killed(syscall.SIGTERM), vmm.Exit{Cause: vmm.HostShutdown}, vm.ReasonKilled, false},
		{"crash after a harmless signal", killed(syscall.SIGCONT), vmm.Exit{Cause: vmm.Failed, Signal: 11}, vm.ReasonVMMFailed, true},
		{"off after a harmless signal", killed(syscall.SIGCONT), vmm.Exit{Cause: vmm.GuestOff}, vm.ReasonPoweroff, false},
		{"reset as hung", func(s *supervisor) { s.hung = true }, vmm.Exit{Cause: vmm.Failed, Signal: 9}, "", false},
		{"stopped while reset as hung", func(s *supervisor) { s.hung, s.stopping = true, true }, vmm.Exit{Cause: vmm.Failed, Signal: 9}, vm.ReasonForced, false},
		{"late while reset as hung", func(s *supervisor) { s.hung, s.notReady = true, true }, vmm.Exit{Cause: vmm.Failed, Signal: 9}, vm.ReasonNotReady, true},
		{"agent failed", func(s *supervisor) { s.failure = "x" }, vmm.Exit{Cause: vmm.GuestOff}, vm.ReasonGuestFailed, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newRig(t).supervisor
			s.makeTimers()
			tt.set(s)
			e, over := s.judge(tt.exit)
			if over != (tt.reason != "") || e.Reason != tt.reason || e.Failed != tt.failed {
				t.Errorf("judge says %+v, %v; want %q, failed %v", e, over, tt.reason, tt.failed)
			}
		})
	}
}

func TestInitEnded(t *testing.T) {
	const end = "[    9.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x%s"
	for console, want := range map[string]int{
		strings.ReplaceAll(end, "%s", "00000000"): 0, strings.ReplaceAll(end, "%s", "00000300"): 3,
		strings.ReplaceAll(end, "%s", "0000000b"): 139, "x\n" + strings.ReplaceAll(end, "%s", "00000100") + "\n[ 9.2] CPU: 0": 1,
		"": -1, "login: ": -1, strings.ReplaceAll(end, "%s", "000000000300"): -1, "Kernel panic - not syncing: VFS": -1,
	} {
		status, ok := initEnded(console)
		if ok != (want >= 0) || ok && status != want {
			t.Errorf("%q: %d, %v; want %d", console, status, ok, want)
		}
	}
}

func TestAgentOfAnotherProtocol(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		a := &agentConn{out: make(chan agentrpc.HostMessage, 1)}
		ours, theirs := net.Pipe()
		defer func() { _ = theirs.Close() }()
		a.conn = ours
		r.say(a, agentrpc.GuestMessage{Hello: &agentrpc.Hello{Protocol: agentrpc.Version + 1}})
		r.wantExit(vm.ReasonGuestFailed, true)
		_ = ours.Close()
	})
}

func TestAgentComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		first := r.beReady()
		r.say(first, agentrpc.GuestMessage{GoingDown: &agentrpc.GoingDown{Kind: agentrpc.DownPoweroff}})
		if s := r.now(); s.Phase != monitorrpc.PhaseStopping {
			t.Errorf("phase is %s", s.Phase)
		}
		r.agents <- agentInput{first, nil}
		if s := r.now(); s.AgentOK {
			t.Error("an agent that is gone counts as connected")
		}
		r.hello(true)
		if s := r.now(); s.Phase != monitorrpc.PhaseReady || !s.AgentOK {
			t.Errorf("status is %+v", s)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
	})
}

func TestAgentThatNeverReadsHoldsUpNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		r.beReady()
		for range 2 * sendQueue {
			if err := errors.Join(r.pauseNow(t.Context()), r.resumeNow(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		r.askStop(time.Second)
		r.wantExit(vm.ReasonForced, false)
	})
}

func TestIOErrorIsAWarningUntilResumed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		r.beReady()
		r.last().FailIO("the host's disk is full")
		if err := r.pauseNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := r.now(); s.Warning == "" || !s.Paused {
			t.Errorf("status is %+v", s)
		}
		if err := r.resumeNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := r.now(); s.Warning != "" || s.Paused {
			t.Errorf("status is %+v", s)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
		if err := r.pauseNow(t.Context()); !errors.Is(err, errEnded) {
			t.Errorf("pause after the end gave %v", err)
		}
	})
}
