package monitor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/vmmtest"
)

// restoring is a rig with a saved machine to go on from; err is why it cannot.
func restoring(t *testing.T, err error) (r *rig, restores *int) {
	r, restores = newRig(t), new(int)
	r.spec.Template = &vm.Template{Key: "key"}
	r.restore = func(context.Context) (vmm.Machine, error) {
		*restores++
		if err != nil {
			return nil, err
		}
		m := vmmtest.NewMachine()
		r.machines = append(r.machines, m)
		return m, nil
	}
	return r, restores
}

func (r *rig) wantBoot(how vm.BootKind, why string) {
	r.t.Helper()
	b := r.now().Boot
	if b.How != string(how) || !strings.Contains(b.NotRestored, why) || (why == "") != (b.NotRestored == "") || b.Template != "key" {
		r.t.Errorf("the boot is %+v; want %s, since %q", b, how, why)
	}
}

func TestAMachineGoesOnFromASavedOneAndRebootsCold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, restores := restoring(t, nil)
		r.run()
		r.beReady()
		r.wantBoot(vm.BootTemplate, "")
		r.last().End(vmm.Exit{Cause: vmm.GuestReset})
		synctest.Wait()
		r.beReady()
		if *restores != 1 || len(r.machines) != 2 {
			t.Errorf("after a reboot there were %d restores and %d machines", *restores, len(r.machines))
		}
		r.last().End(vmm.Exit{Cause: vmm.GuestOff})
		r.wantExit(vm.ReasonPoweroff, false)
	})
}

func TestWhatDoesNotGoOnBootsColdInTheSameStart(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		make func(r *rig) // what the saved machine does, if it starts
		why  string
	}{
		"it is refused":    {errors.New("another shape"), func(*rig) {}, "another shape"},
		"it says nothing":  {nil, func(*rig) { <-time.After(restoredLimit) }, "did not answer"},
		"it ends":          {nil, func(r *rig) { r.last().End(vmm.Exit{Cause: vmm.Failed, Detail: "crash"}) }, "crash"},
		"its guest resets": {nil, func(r *rig) { r.last().End(vmm.Exit{Cause: vmm.GuestReset, Detail: "reset"}) }, "reset"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, restores := restoring(t, c.err)
				r.run()
				c.make(r)
				synctest.Wait()
				r.beReady()
				r.wantBoot(vm.BootCold, c.why)
				if *restores != 1 {
					t.Errorf("it was tried %d times", *restores)
				}
				r.last().End(vmm.Exit{Cause: vmm.GuestOff})
				e := r.wantExit(vm.ReasonPoweroff, false)
				if e.Boot.How != vm.BootCold || e.Boot.NotRestored == "" || e.Boot.VMM == 0 {
					t.Errorf("the exit tells of %+v", e.Boot)
				}
			})
		})
	}
}

func TestARestoredMachineThatIsStoppedDoesNotBoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := restoring(t, nil)
		r.run()
		r.askStop(time.Second)
		r.wantExit(vm.ReasonForced, false)
		if len(r.machines) != 1 {
			t.Errorf("%d machines were started", len(r.machines))
		}
	})
}
