package monitor

import (
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

func TestHungBootIsResetWithinTheReadyTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.spec.ReadyTimeoutMillis = (3 * time.Minute).Milliseconds()
		began := time.Now()
		r.run()
		r.wantExit(vm.ReasonNotReady, true)
		if took := time.Since(began); took != 3*time.Minute || len(r.machines) != 1+maxHung {
			t.Errorf("it took %v and %d machines", took, len(r.machines))
		}
		for _, m := range r.machines[:maxHung] {
			if _, signals := m.Got(); len(signals) != 1 || signals[0] != syscall.SIGKILL {
				t.Errorf("a hung machine got %v", signals)
			}
		}
	})
}

func TestBootAfterAHungOneIsTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		<-time.After(helloLimit)
		if s := r.now(); s.Boots != 2 || s.Phase != monitorrpc.PhaseBooting {
			t.Fatalf("status is %+v", s)
		}
		a := r.hello(false)
		if m := <-a.out; m.Configure == nil || !m.Configure.Init.Reset {
			t.Errorf("it was told %+v; want a reset of the disk, which no boot has had yet", m.Configure)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonGuestFailed, true)
	})
}

func TestSlowBootIsNotHung(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.spec.ReadyTimeoutMillis = (3 * time.Minute).Milliseconds()
		began := time.Now()
		r.cpu = func(int) time.Duration { return time.Since(began) / 10 } // the host is busy
		r.run()
		r.wantExit(vm.ReasonNotReady, true)
		if len(r.machines) != 1 {
			t.Errorf("%d machines were started", len(r.machines))
		}
	})
}

func TestBootOfASlowHostHasTheTimeThatTheUserGivesIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.spec.ReadyTimeoutMillis = (12 * time.Minute).Milliseconds() // 4 times the ordinary
		r.cpu = func(int) time.Duration { return hungCPU }            // which it has had soon, by a host that steals
		r.run()
		<-time.After(4*helloLimit - time.Second)
		if s := r.now(); s.Boots != 1 {
			t.Errorf("it was reset early: %+v", s)
		}
		<-time.After(helloAgain + 2*time.Second)
		if s := r.now(); s.Boots != 2 {
			t.Errorf("a boot that stands still was not reset: %+v", s)
		}
		r.askStop(0)
		r.wantExit(vm.ReasonForced, false)
	})
}

func TestBootThatStandsStillIsHung(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.spec.ReadyTimeoutMillis = (3 * time.Minute).Milliseconds()
		r.cpu = func(int) time.Duration { return time.Second }
		r.run()
		<-time.After(helloLimit + helloAgain)
		if s := r.now(); s.Boots != 2 {
			t.Errorf("status is %+v", s)
		}
		r.askStop(0)
		r.wantExit(vm.ReasonForced, false)
	})
}

func TestHelloInTimeIsEnough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		<-time.After(helloLimit - time.Second)
		r.hello(false)
		<-time.After(readyLimit - helloLimit)
		if len(r.machines) != 1 {
			t.Errorf("%d machines were started", len(r.machines))
		}
		r.wantExit(vm.ReasonNotReady, true)
	})
}

func TestPausedBootIsNotHung(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		if err := r.pauseNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * helloLimit)
		if s := r.now(); s.Boots != 1 {
			t.Errorf("a paused machine was reset: %+v", s)
		}
		r.askStop(0)
		r.wantExit(vm.ReasonForced, false)
	})
}

func TestStoppedBootIsNotReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		r.askStop(2 * helloLimit)
		<-time.After(helloLimit + time.Second)
		if s := r.now(); s.Boots != 1 || s.Phase != monitorrpc.PhaseStopping {
			t.Errorf("status is %+v", s)
		}
		r.wantExit(vm.ReasonForced, false)
	})
}
