package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/vm"
)

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
	handle(s, a, long("suspend-vm", http.MethodPost, "/vms/{name}/suspend", "Write a VM's memory to disk and end its machine"), s.suspendVM)
	handle(s, a, long("restart-vm", http.MethodPost, "/vms/{name}/restart", "Stop a VM and start it"), s.restartVM)
	handle(s, a, long("reset-vm", http.MethodPost, "/vms/{name}/reset", "Reset a VM's system to its image"), s.resetVM)
	handle(s, a, long("commit-vm", http.MethodPost, "/vms/{name}/commit", "Make an image of a stopped VM"), s.commitVM)
	handle(s, a, long("delete-vm", http.MethodDelete, "/vms/{name}", "Delete a VM with its disk"), s.deleteVM)
	short := func(id, method, path, summary string) route {
		return route{id: id, method: method, path: path, tag: "vms", summary: summary}
	}
	handle(s, a, short("pause-vm", http.MethodPost, "/vms/{name}/pause", "Pause a VM (memory is kept)"), s.pauseVM)
	handle(s, a, short("resume-vm", http.MethodPost, "/vms/{name}/resume", "Resume a paused or suspended VM"), s.resumeVM)
	handle(s, a, short("kill-vm", http.MethodPost, "/vms/{name}/kill", "Send a signal to the VMM process"), s.killVM)
	handle(s, a, short("update-vm", http.MethodPatch, "/vms/{name}", "Change a stopped VM, or the labels and the protection of any"), s.updateVM)
	handle(s, a, get("wait-vm", "/vms/{name}/wait", "Wait until a VM is ready or stopped, or has a port"), s.waitVM)
}

func (s *Server) listVMs(ctx context.Context, in *struct {
	Label []string `query:"label,explode" doc:"KEY or KEY=VALUE; a VM must match all"`
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
	list := listOf(vms, func(v vm.VM) api.VM {
		body := s.liveVM(v)
		body.Runtime = nil
		return s.attended(body)
	})
	s.withImages(ctx, list.Items)
	return list, s.withWorkspaces(ctx, vms, list.Items, listTime, s.Workspaces.Refresh)
}

func (s *Server) getVM(ctx context.Context, in *lookAt) (api.VM, error) {
	v, err := s.VMs.Get(ctx, in.Name)
	if err != nil {
		return api.VM{}, err
	}
	bodies := []api.VM{s.attended(s.liveVM(v))}
	s.withImages(ctx, bodies)
	s.withSnapshots(ctx, &bodies[0])
	limit, look := in.look(s.Workspaces.Look)
	err = s.withWorkspaces(ctx, []vm.VM{v}, bodies, limit, look)
	return bodies[0], err
}

// liveVM is a VM's body with what its monitor says.
func (s *Server) liveVM(v vm.VM) api.VM {
	body := s.vmBody(v)
	if status, ok := s.VMs.Runtime(v.ID); ok && v.State.Alive() {
		body.Runtime = runtimeBody(status)
		body.Health = (*api.VMEntrypointHealth)(status.EntrypointHealth)
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
	req, err := creationRequest(in.Body)
	if err != nil {
		return api.Operation{}, err
	}
	if err := s.Creations.Check(ctx, req); err != nil {
		return api.Operation{}, err
	}
	subject := ""
	if req.VM.Name != nil {
		subject = *req.VM.Name
	}
	op, err := s.Operations.Start(ctx, "vm.create", subject, func(ctx context.Context, p operation.Progress) (any, error) {
		made, err := s.Creations.Create(ctx, req, p)
		if err != nil {
			return nil, err
		}
		body := api.CreatedVM{VM: s.liveVM(made.VM)}
		if made.Session != nil {
			started := sessionBody(made.VM.Name, *made.Session)
			body.Started = &started
		}
		return body, nil
	})
	return operationBody(op), err
}

// known finds the VM that a verb is about, so that an unknown name is refused
// at once, and the verb goes by id whatever is renamed meanwhile.
func (s *Server) known(ctx context.Context, name string) (vm.VM, error) { return s.VMs.Get(ctx, name) }

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
	op, err := s.Operations.Start(ctx, "vm.delete", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		body := s.liveVM(v)
		s.withSnapshots(ctx, &body)
		if err := s.VMs.Delete(ctx, v.ID, vm.Removal{Force: in.Force, DiscardWork: in.DiscardWork}, p); err != nil {
			return nil, err
		}
		return body, nil
	})
	return operationBody(op), err
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

func (s *Server) updateVM(ctx context.Context, in *vmRequest[api.UpdateVM]) (api.VM, error) {
	v, err := s.VMs.Set(ctx, in.Name, changeOf(in.Body))
	return s.vmBody(v), err
}
