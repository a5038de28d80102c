package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

// defaultStop is how long a guest may take to go down when nobody says.
const defaultStop = 20 * time.Second

// maxStop bounds what a request may ask for.
const maxStop = 24 * time.Hour

type vmRequest[T any] struct {
	Named
	Body T
}

func (s *Server) vmRoutes(a huma.API) {
	get := func(id, path, summary string) route {
		return route{id: id, method: http.MethodGet, path: path, tag: "vms", summary: summary}
	}
	handle(s, a, get("list-vms", "/vms", "List VMs, oldest first"), s.listVMs)
	handle(s, a, get("get-vm", "/vms/{name}", "Show a VM"), s.getVM)
	long := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: path, tag: "vms", summary: summary, status: http.StatusAccepted}
	}
	handle(s, a, long("create-vm", http.MethodPost, "/vms", "Create a VM"), s.createVM)
	handle(s, a, long("start-vm", http.MethodPost, "/vms/{name}/start", "Start a VM"), s.startVM)
	handle(s, a, long("stop-vm", http.MethodPost, "/vms/{name}/stop", "Stop a VM"), s.stopVM)
	handle(s, a, long("restart-vm", http.MethodPost, "/vms/{name}/restart", "Stop a VM and start it"), s.restartVM)
	handle(s, a, long("reset-vm", http.MethodPost, "/vms/{name}/reset", "Reset a VM's system to its image"), s.resetVM)
	handle(s, a, long("delete-vm", http.MethodDelete, "/vms/{name}", "Delete a VM with its disk"), s.deleteVM)
	short := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: path, tag: "vms", summary: summary}
	}
	handle(s, a, short("pause-vm", http.MethodPost, "/vms/{name}/pause", "Pause a VM (memory is kept)"), s.pauseVM)
	handle(s, a, short("resume-vm", http.MethodPost, "/vms/{name}/resume", "Resume a paused VM"), s.resumeVM)
	handle(s, a, short("kill-vm", http.MethodPost, "/vms/{name}/kill", "Send a signal to the VMM process"), s.killVM)
	handle(s, a, short("update-vm", http.MethodPatch, "/vms/{name}", "Change a stopped VM, or the labels and the protection of any"), s.updateVM)
	handle(s, a, get("wait-vm", "/vms/{name}/wait", "Wait until a VM is ready or stopped, or has a port"), s.waitVM)
}

func (s *Server) listVMs(ctx context.Context, in *struct {
	Label []string `query:"label,explode" doc:"KEY or KEY=VALUE; a VM must have each"`
},
) (api.List[api.VM], error) {
	filter := vm.Filter{}
	for _, label := range in.Label {
		key, value, _ := strings.Cut(label, "=")
		if key == "" {
			return api.List[api.VM]{}, fault.New(fault.Invalid, "label %q has no key", label).WithHint("KEY or KEY=VALUE")
		}
		if filter.Labels == nil {
			filter.Labels = map[string]string{}
		}
		filter.Labels[key] = value
	}
	vms, err := s.VMs.List(ctx, filter)
	if err != nil {
		return api.List[api.VM]{}, err
	}
	list := listOf(vms, s.vmBody)
	return list, s.withWorkspaces(ctx, vms, list.Items, listTime, s.Workspaces.Refresh)
}

func (s *Server) getVM(ctx context.Context, in *Named) (api.VM, error) {
	v, err := s.VMs.Get(ctx, in.Name)
	if err != nil {
		return api.VM{}, err
	}
	bodies := []api.VM{s.liveVM(v)}
	err = s.withWorkspaces(ctx, []vm.VM{v}, bodies, showTime, s.Workspaces.Look)
	return bodies[0], err
}

// liveVM is a VM's body with what its monitor says.
func (s *Server) liveVM(v vm.VM) api.VM {
	body := s.vmBody(v)
	if status, ok := s.VMs.Runtime(v.ID); ok && v.State.Alive() {
		body.Runtime = runtimeBody(status)
	}
	return body
}

// begin starts the operation that does work, whose result is a VM's body.
func (s *Server) begin(ctx context.Context, kind, subject string, work func(context.Context, operation.Progress) (vm.VM, error)) (api.Operation, error) {
	op, err := s.Operations.Start(ctx, kind, subject, func(ctx context.Context, p operation.Progress) (any, error) {
		v, err := work(ctx, p)
		if err != nil {
			return nil, err
		}
		return s.liveVM(v), nil
	})
	return operationBody(op), err
}

func (s *Server) createVM(ctx context.Context, in *struct{ Body api.CreateVM }) (api.Operation, error) {
	wait, err := vm.ParseWait(in.Body.Wait)
	if err != nil {
		return api.Operation{}, err
	}
	req := createRequest(in.Body, wait)
	if err := s.VMs.CheckCreate(ctx, req); err != nil {
		return api.Operation{}, err
	}
	subject := ""
	if req.Name != nil {
		subject = *req.Name
	}
	return s.begin(ctx, "vm.create", subject, func(ctx context.Context, p operation.Progress) (vm.VM, error) {
		return s.VMs.Create(ctx, req, p)
	})
}

// known finds the VM that a verb is about, so that an unknown name is refused
// at once, and the verb goes by id whatever is renamed meanwhile.
func (s *Server) known(ctx context.Context, name string) (vm.VM, error) { return s.VMs.Get(ctx, name) }

func (s *Server) startVM(ctx context.Context, in *vmRequest[*api.StartVM]) (api.Operation, error) {
	wait, start := vm.WaitReady(), s.VMs.Start
	if in.Body != nil {
		var err error
		if wait, err = vm.ParseWait(in.Body.Wait); err != nil {
			return api.Operation{}, err
		}
		if in.Body.Rescue {
			start = s.VMs.Rescue
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

func stopTimeout(seconds *float64) (time.Duration, error) {
	if seconds == nil {
		return defaultStop, nil
	}
	if !(*seconds >= 0 && *seconds <= maxStop.Seconds()) {
		return 0, fault.New(fault.Invalid, "timeout of %g s is not between 0 and %g", *seconds, maxStop.Seconds())
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

func (s *Server) deleteVM(ctx context.Context, in *struct {
	Named
	Force       bool `query:"force" doc:"power the VM off if it is running"`
	DiscardWork bool `query:"discard_work" doc:"delete unexported work, too"`
},
) (api.Operation, error) {
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	return s.begin(ctx, "vm.delete", v.Name, func(ctx context.Context, p operation.Progress) (vm.VM, error) {
		return v, s.VMs.Delete(ctx, v.ID, vm.Removal{Force: in.Force, DiscardWork: in.DiscardWork}, p)
	})
}

func (s *Server) waitVM(ctx context.Context, in *struct {
	Named
	For string `query:"for" doc:"ready (default), stopped or port:N"`
},
) (api.VM, error) {
	until, err := vm.ParseUntil(in.For)
	if err != nil {
		return api.VM{}, err
	}
	v, err := s.VMs.WaitFor(ctx, in.Name, until)
	if err != nil {
		return api.VM{}, err
	}
	return s.liveVM(v), nil
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

func (s *Server) updateVM(ctx context.Context, in *vmRequest[api.UpdateVM]) (api.VM, error) {
	v, err := s.VMs.Set(ctx, in.Name, changeOf(in.Body))
	return s.vmBody(v), err
}
