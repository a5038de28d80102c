package daemon

import (
	"context"

	"github.com/bangervm/banger/internal/hostinfo"
	"github.com/bangervm/banger/internal/suspendstore"
	"github.com/bangervm/banger/internal/vm"
)

// suspensions implements vm.Suspensions.
type suspensions struct{ *suspendstore.Store }

// Host implements vm.Suspensions.
func (suspensions) Host(_ context.Context, spec vm.Spec) (h vm.MachineHost, err error) {
	if h.CPU, err = hostinfo.CPU(); err != nil {
		return h, err
	}
	h.VMM, err = executable(spec.VMM)
	return h, err
}
