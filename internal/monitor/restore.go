package monitor

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
	"github.com/bangervm/banger/internal/plain"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// restoredLimit is how long a machine that goes on may take to its agent's Hello, which takes
// a fraction of a second. It does not depend on the guest's kernel.
const restoredLimit = 10 * time.Second

// maxWhy bounds what is kept of why a machine does not go on, in bytes.
const maxWhy = 512

// startMachine has the machine go on where it was suspended or from a saved one, the first time, or
// else boot. A suspended one goes on or nothing does.
func (s *supervisor) startMachine(ctx context.Context) (vmm.Machine, error) {
	if s.resume != nil {
		return s.resumeMachine(ctx)
	}
	restore := s.restore
	s.restore, s.restored = nil, false // whatever comes of it, the next boot is cold
	if restore == nil {
		return s.start(ctx)
	}
	m, err := restore(ctx)
	if err != nil {
		s.notRestored(err.Error())
		return s.start(ctx)
	}
	s.restored = true
	s.status.Boot.How = string(vm.BootTemplate)
	return m, nil
}

// giveUpRestored ends a machine that goes on and says nothing; a cold boot follows. Nothing of the
// guest's runs yet, so no disk is mounted.
func (s *supervisor) giveUpRestored(why string) {
	s.notRestored(why)
	s.hung = true
	s.signal(killSignal)
}

func (s *supervisor) notRestored(why string) {
	s.status.Boot.How, s.status.Boot.NotRestored = string(vm.BootCold), plain.Line(why, maxWhy)
	s.status.Boot.VMM = 0
	s.log.Warn("the VM does not go on from the saved machine, and boots cold", "why", why)
}

// helloLimit is how long this boot may take to the agent's Hello.
func (s *supervisor) helloLimit() time.Duration {
	if s.restored {
		return s.patient(restoredLimit)
	}
	return s.patient(helloLimit)
}

// inheritSaved takes the files of the saved machine that this process was given; nil: none.
func inheritSaved(spec vm.Spec) *vmm.Saved {
	if spec.Template == nil {
		return nil
	}
	for _, fd := range []int{monitorrpc.StateFD, monitorrpc.MemoryFD} {
		syscall.CloseOnExec(fd)
	}
	return &vmm.Saved{
		Shape: spec.Template.Shape, TSCKHz: spec.Template.TSCKHz,
		State: os.NewFile(monitorrpc.StateFD, "state"), Memory: os.NewFile(monitorrpc.MemoryFD, "guest-memory"),
	}
}

// restorer has a machine go on from a saved one, which it closes; nil: there is none.
func restorer(saved *vmm.Saved, start func(context.Context, func(*vmm.Spec)) (vmm.Machine, error)) starter {
	if saved == nil {
		return nil
	}
	return func(ctx context.Context) (vmm.Machine, error) {
		m, err := start(ctx, func(machine *vmm.Spec) { machine.From = saved })
		if closed := saved.Close(); err != nil {
			return nil, errors.Join(err, closed)
		}
		return m, nil
	}
}
