package monitor

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/suspendstore"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

// fakeConnections are those of the guest, and of the start before.
type fakeConnections struct{ lost []vm.Connection }

func guestsConnection() vm.Connection {
	return vm.Connection{Guest: "198.18.1.1:1000", Peer: "192.0.2.1:443"}
}

func (f *fakeConnections) Connections() []vm.Connection { return []vm.Connection{guestsConnection()} }

func (f *fakeConnections) Lost(all []vm.Connection) { f.lost = append(f.lost, all...) }

// store is the rig's suspender.
func (r *rig) store(_ context.Context, machine suspendstore.Machine) error {
	var to bytes.Buffer
	about, err := machine(&to)
	if r.storing != nil {
		<-r.storing
	}
	if err = errors.Join(err, r.full); err == nil {
		r.stored = append(r.stored, about.StartID+" "+about.Connections[0].Peer)
	}
	return err
}

func (r *rig) wantStored(n int) {
	r.t.Helper()
	if len(r.stored) != n {
		r.t.Errorf("%d machines were stored; want %d", len(r.stored), n)
	}
}

func TestASuspendedMachineEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t).run()
		r.beReady()
		if err := r.suspendNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantExit(vm.ReasonSuspended, false)
		if !slices.Equal(r.stored, []string{"start 192.0.2.1:443"}) {
			t.Errorf("stored is %q", r.stored)
		}
		if _, signals := r.last().Got(); !slices.Equal(signals, []syscall.Signal{syscall.SIGTERM}) {
			t.Errorf("the VMM got %v", signals)
		}
		if err := r.suspendNow(t.Context()); !errors.Is(err, errEnded) {
			t.Errorf("suspending it again gave %v", err)
		}
	})
}

func TestAMachineThatCannotBeStoredRunsOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.full = errors.New("the disk is full")
		r.run()
		a := r.beReady()
		for range 2 {
			if err := r.suspendNow(t.Context()); !errors.Is(err, r.full) {
				t.Errorf("suspending gave %v", err)
			}
			if s := r.now(); s.Paused || s.Phase != monitorrpc.PhaseReady {
				t.Errorf("it is %+v", s)
			}
		}
		if clock := <-a.out; clock.SetClock == nil {
			t.Errorf("the guest is told %+v", clock)
		}
		if err := r.pauseNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.suspendNow(t.Context()); !errors.Is(err, r.full) {
			t.Errorf("suspending a paused machine gave %v", err)
		}
		if s := r.now(); !s.Paused {
			t.Error("a paused machine runs")
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
	})
}

func TestNothingElseIsDoneToAMachineThatIsBeingSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.storing = make(chan struct{})
		r.run()
		r.beReady()
		done := make(chan error, 1)
		go func() { done <- r.suspendNow(t.Context()) }()
		if s := r.now(); s.Paused {
			t.Error("it shows as paused")
		}
		for what, err := range map[string]error{
			"pause": r.pauseNow(t.Context()), "resume": r.resumeNow(t.Context()),
			"stop": r.stopNow(t.Context(), time.Second), "suspend": r.suspendNow(t.Context()),
		} {
			if !errors.Is(err, fault.Busy) {
				t.Errorf("%s gave %v", what, err)
			}
		}
		close(r.storing)
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.wantExit(vm.ReasonSuspended, false)
		r.wantStored(1)
	})
}

func TestAMonitorThatIsToldToEndWaitsForTheSuspension(t *testing.T) {
	for name, c := range map[string]struct {
		full   error
		reason string
	}{
		"it is stored": {nil, vm.ReasonSuspended},
		"it is not":    {errors.New("the disk is full"), vm.ReasonForced},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t)
				r.storing, r.full = make(chan struct{}), c.full
				r.run()
				r.beReady()
				go func() { _ = r.suspendNow(t.Context()) }()
				synctest.Wait()
				r.cancel()
				synctest.Wait()
				close(r.storing)
				r.wantExit(c.reason, false)
			})
		})
	}
}

func TestAKilledMachineIsNotSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t)
		r.storing, r.full = make(chan struct{}), errors.New("the VMM is gone")
		r.run()
		r.beReady()
		go func() { _ = r.suspendNow(t.Context()) }()
		synctest.Wait()
		if err := r.ask(t.Context(), func() { _ = r.kill(int(syscall.SIGKILL)) }); err != nil {
			t.Fatal(err)
		}
		r.wantExit(vm.ReasonKilled, false)
		close(r.storing)
		synctest.Wait()
		r.wantStored(0)
	})
}

func TestWhatCannotBeSuspended(t *testing.T) {
	for name, c := range map[string]struct {
		make func(r *rig)
		code fault.Code
		says string
	}{
		"it is not ready": {func(r *rig) { r.hello(false) }, fault.Conflict, "not ready"},
		"it stops":        {func(r *rig) { r.beReady(); r.askStop(time.Hour) }, fault.Conflict, "stopping"},
		"its agent is of another build": {func(r *rig) {
			a := r.beReady()
			r.say(a, agentrpc.GuestMessage{Hello: &agentrpc.Hello{Protocol: resumingProtocol - 1, Build: "0.0.1", Configured: true}})
		}, fault.Unavailable, "of build 0.0.1, is too old"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t).run()
				c.make(r)
				if err := r.suspendNow(t.Context()); !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("suspending gave %v; want %q", err, c.says)
				}
				r.wantStored(0)
				r.askStop(0)
				<-r.exited
			})
		})
	}
}

// suspendedRig is a rig of a suspended VM; err is why it cannot go on.
func suspendedRig(t *testing.T, err error) *rig {
	r := newRig(t)
	r.resume = func(context.Context) (vmm.Machine, vm.Suspension, error) {
		if err != nil {
			return nil, vm.Suspension{}, err
		}
		m := vmmtest.NewMachine()
		r.machines = append(r.machines, m)
		return m, vm.Suspension{Connections: []vm.Connection{guestsConnection()}}, nil
	}
	return r
}

func TestAResumedGuestIsReadyOnceItConfirmsTheGeneration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := suspendedRig(t, nil).run()
		a := r.hello(true)
		told := <-a.out
		if told.Resumed == nil || len(told.Resumed.Generation) != 2*generationBytes || len(told.Resumed.Entropy) != entropyBytes || told.Resumed.UnixNano == 0 {
			t.Fatalf("the guest is told %+v", told)
		}
		if !slices.Equal(r.network.lost, []vm.Connection{guestsConnection()}) {
			t.Errorf("the lost connections are %v", r.network.lost)
		}
		r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent", Generation: "of before"}})
		if s := r.now(); s.Phase == monitorrpc.PhaseReady {
			t.Error("the generation of before the suspension counts")
		}
		r.say(a, agentrpc.GuestMessage{Ready: &agentrpc.Ready{Init: "agent", Generation: told.Resumed.Generation}})
		if s := r.now(); s.Phase != monitorrpc.PhaseReady || s.Boot.How != string(vm.BootResumed) || s.Boots != 1 {
			t.Errorf("it is %+v", s)
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestReset})
		synctest.Wait()
		r.beReady() // it boots a kernel
		if len(r.machines) != 2 {
			t.Errorf("%d machines were started", len(r.machines))
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
	})
}

func TestASuspendedVMGoesOnOrNothingStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := suspendedRig(t, fault.New(fault.Unavailable, "it is damaged")).run()
		e := r.wantExit(vm.ReasonStartFailed, true)
		if !strings.Contains(e.Message, "damaged") || len(r.machines) != 0 {
			t.Errorf("the exit is %+v, and %d machines were started", e, len(r.machines))
		}
	})
}

func TestAResumedGuestThatSaysNothingIsNotReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := suspendedRig(t, nil).run()
		r.wantExit(vm.ReasonNotReady, true)
		if len(r.machines) != 1 {
			t.Errorf("%d machines were started", len(r.machines))
		}
	})
}
