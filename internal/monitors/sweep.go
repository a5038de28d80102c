package monitors

import (
	"encoding/json"
	"os"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// Sweep removes what a driver's machine left in dir, of which no process is left.
type Sweep func(driver, dir string, spec vmm.Spec) error

// Sweeps has what machines left behind removed once their monitors are known to be gone.
func (l *Launcher) Sweeps(sweep Sweep) *Launcher {
	l.sweep = sweep
	return l
}

// sweepMachine removes what the last start left outside its sockets, as a monitor that was
// killed does: a jail, which has copies of the image and the kernel.
func (l *Launcher) sweepMachine(dir statedir.VM) {
	data, err := os.ReadFile(dir.Spec())
	if err != nil || l.sweep == nil {
		return // no start was so far
	}
	var spec vm.Spec
	if json.Unmarshal(data, &spec) != nil || spec.Format != vm.SpecFormat || spec.JailUID == 0 {
		return
	}
	machine := vmm.Spec{Program: spec.VMM, JailUID: spec.JailUID}
	for _, d := range spec.Disks {
		machine.Disks = append(machine.Disks, vmm.Disk{Name: d.Serial, Path: d.Path, ReadOnly: d.ReadOnly})
	}
	if err := l.sweep(spec.Driver, dir.Run(), machine); err != nil {
		l.log.Warn("a jail is left", "vm", spec.VMID, "err", err)
	}
}
