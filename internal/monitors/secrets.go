package monitors

import (
	"encoding/json"
	"os"

	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
)

// forgetSecrets takes what is for the guest alone out of spec.json.
func (l *Launcher) forgetSecrets(dir statedir.VM, spec vm.Spec) {
	spec.Guest = spec.Guest.Public()
	if err := writeSpec(dir, spec); err != nil {
		l.log.Warn("secrets stay in spec.json", "vm", spec.VMID, "err", err)
	}
}

// sweepSecrets does that for a bangerd that ended before it could.
func (l *Launcher) sweepSecrets(dir statedir.VM) {
	data, err := os.ReadFile(dir.Spec())
	if err != nil {
		return // no start was so far
	}
	var spec vm.Spec
	if json.Unmarshal(data, &spec) != nil || spec.Format != vm.SpecFormat || spec.Guest.Token == "" {
		return
	}
	l.forgetSecrets(dir, spec)
}
