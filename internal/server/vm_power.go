package server

import (
	"context"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

func (s *Server) startVM(ctx context.Context, in *vmRequest[*api.StartVM]) (api.Operation, error) {
	wait, start := vm.WaitReady(), s.VMs.Start
	if in.Body != nil {
		var err error
		if wait, err = vm.ParseWait(in.Body.Wait); err != nil {
			return api.Operation{}, err
		}
		switch {
		case in.Body.Rescue:
			start = s.VMs.Rescue
		case in.Body.Cold:
			start = s.VMs.StartCold
		}
	}
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	return s.begin(ctx, "vm.start", v.Name, func(ctx context.Context, p operation.Progress) (vm.VM, error) {
		return start(ctx, v.ID, wait, p)
	})
}

func (s *Server) stopVM(ctx context.Context, in *vmRequest[*api.StopVM]) (api.Operation, error) {
	var seconds *float64
	if in.Body != nil {
		seconds = in.Body.TimeoutSeconds
	}
	timeout, err := stopTimeout(seconds)
	if err != nil {
		return api.Operation{}, err
	}
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	return s.begin(ctx, "vm.stop", v.Name, func(ctx context.Context, p operation.Progress) (vm.VM, error) {
		return s.VMs.Stop(ctx, v.ID, timeout, p)
	})
}

func (s *Server) suspendVM(ctx context.Context, in *Named) (api.Operation, error) {
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	return s.begin(ctx, "vm.suspend", v.Name, func(ctx context.Context, p operation.Progress) (vm.VM, error) {
		return s.VMs.Suspend(ctx, v.ID, p)
	})
}

func (s *Server) restartVM(ctx context.Context, in *vmRequest[*api.RestartVM]) (api.Operation, error) {
	body := in.Body
	if body == nil {
		body = &api.RestartVM{}
	}
	timeout, err := stopTimeout(body.TimeoutSeconds)
	if err != nil {
		return api.Operation{}, err
	}
	wait, err := vm.ParseWait(body.Wait)
	if err != nil {
		return api.Operation{}, err
	}
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	return s.begin(ctx, "vm.restart", v.Name, func(ctx context.Context, p operation.Progress) (vm.VM, error) {
		return s.VMs.Restart(ctx, v.ID, timeout, wait, p)
	})
}

// stopTimeout is how long a guest may take to go down.
func stopTimeout(seconds *float64) (time.Duration, error) {
	return timeoutOf(seconds, vm.DefaultStopTimeout, vm.MaxStopTimeout)
}

// timeoutOf reads a timeout of a request, which may be absent: Invalid above most.
func timeoutOf(seconds *float64, absent, most time.Duration) (time.Duration, error) {
	if seconds == nil {
		return absent, nil
	}
	if !(*seconds >= 0 && *seconds <= most.Seconds()) {
		return 0, fault.New(fault.Invalid, "timeout of %g s is not between 0 and %g", *seconds, most.Seconds())
	}
	return time.Duration(*seconds * float64(time.Second)), nil
}

func (s *Server) resetVM(ctx context.Context, in *struct {
	Named
	DiscardWork bool `query:"discard_work" doc:"also with unexported work outside /root and /home"`
},
) (api.Operation, error) {
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	return s.begin(ctx, "vm.reset", v.Name, func(ctx context.Context, p operation.Progress) (vm.VM, error) {
		return s.VMs.Reset(ctx, v.ID, in.DiscardWork, p)
	})
}

func (s *Server) pauseVM(ctx context.Context, in *Named) (api.VM, error) {
	v, err := s.VMs.Pause(ctx, in.Name)
	return s.vmBody(v), err
}

func (s *Server) resumeVM(ctx context.Context, in *Named) (api.VM, error) {
	v, err := s.VMs.Resume(ctx, in.Name)
	return s.vmBody(v), err
}

func (s *Server) killVM(ctx context.Context, in *vmRequest[*api.KillVM]) (api.VM, error) {
	signal := ""
	if in.Body != nil {
		signal = in.Body.Signal
	}
	v, err := s.VMs.Kill(ctx, in.Name, signal)
	return s.vmBody(v), err
}
