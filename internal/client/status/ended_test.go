package status_test

import (
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/vm"
)

// Each reason of the daemon has words; one of a newer build stands as it is.
func TestWhyAVMEnded(t *testing.T) {
	for _, reason := range []string{
		vm.ReasonStopped, vm.ReasonForced, vm.ReasonKilled, vm.ReasonPoweroff, vm.ReasonGuestFailed, vm.ReasonNotReady, vm.ReasonVMMFailed, vm.ReasonMonitorDied,
		vm.ReasonHostRestart, vm.ReasonStartFailed, vm.ReasonReset,
	} {
		if got := status.Ended(&api.VM{State: api.VMStopped, ExitReason: reason}); got == reason || got == "" {
			t.Errorf("%s has no words", reason)
		}
	}
	for want, v := range map[string]api.VM{
		"new-reason": {State: api.VMFailed, ExitReason: "new-reason"}, "Killed on request": {State: api.VMStopped, ExitReason: "killed"},
	} {
		if got := status.Ended(&v); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, v := range []api.VM{{State: api.VMRunning, ExitReason: "killed"}, {State: api.VMStopped}} {
		if got := status.Ended(&v); got != "" {
			t.Errorf("%+v: %q", v, got)
		}
	}
}

func TestOutputThatIsLost(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	running := api.VM{State: api.VMRunning, StartedAt: &began}
	after, before := began.Add(time.Minute), began.Add(-time.Minute)
	for _, c := range []struct {
		v    api.VM
		s    api.Session
		lost bool
	}{
		{running, api.Session{State: api.SessionRunning, CreatedAt: after}, false},
		{running, api.Session{State: api.SessionExited, CreatedAt: after}, false},
		{running, api.Session{State: api.SessionExited, CreatedAt: before}, true},
		{running, api.Session{State: api.SessionLost, CreatedAt: after}, true},
		{running, api.Session{State: api.SessionFailed, CreatedAt: after}, true},
		{api.VM{State: api.VMStopped, StartedAt: &began}, api.Session{State: api.SessionExited, CreatedAt: after}, true},
		{api.VM{State: api.VMPaused, StartedAt: &began}, api.Session{State: api.SessionExited, CreatedAt: after}, false},
	} {
		if got := status.OutputLost(&c.v, c.s); (got != "") != c.lost {
			t.Errorf("%s in a VM that is %s: %q", c.s.State, c.v.State, got)
		}
	}
}
