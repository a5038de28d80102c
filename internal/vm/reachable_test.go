package vm_test

import (
	"errors"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/vm"
)

func TestReachable(t *testing.T) {
	for _, c := range []struct {
		state vm.State
		want  string // empty: reachable
	}{
		{vm.Running, ""},
		{vm.Stopping, ""},
		{vm.Starting, "VM box is not running: it is starting"},
		{vm.Stopped, "VM box is not running: it is stopped"},
		{vm.Failed, "VM box is not running: it is failed"},
		{vm.Paused, "VM box is paused"},
	} {
		err := vm.VM{Name: "box", State: c.state}.Reachable(vm.Running, vm.Stopping)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.state, err)
		case c.want != "" && (err == nil || err.Error() != c.want || !errors.Is(err, fault.Conflict) || fault.HintOf(err).String() == ""):
			t.Errorf("%s: %v", c.state, err)
		}
	}
}
