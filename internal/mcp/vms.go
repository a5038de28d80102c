package mcp

import (
	"context"
	"maps"
	"slices"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/status"
	"github.com/bangervm/banger/internal/fault"
)

const (
	mib = 1 << 20
	// maxPolicy is what the daemon takes as the text of a policy, in bytes.
	maxPolicy = 64 << 10
)

// VM is a virtual machine as agents see it.
type VM struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	State       string            `json:"state" jsonschema:"stopped, starting, running, paused, suspended, stopping or failed"`
	Image       string            `json:"image"`
	VCPU        int               `json:"vcpu"`
	MemoryBytes int64             `json:"memory_bytes"`
	DiskBytes   int64             `json:"disk_bytes"`
	Address     string            `json:"address,omitempty" jsonschema:"on the host; see vm_ports"`
	Network     string            `json:"network,omitempty" jsonschema:"user or none"`
	Egress      string            `json:"egress,omitempty" jsonschema:"preset or rules"`
	Health      string            `json:"health,omitempty" jsonschema:"of the image's entrypoint, by the health check of the image: starting, healthy or unhealthy"`
	ExitReason  string            `json:"exit_reason,omitempty" jsonschema:"why it last ended"`
	ExitMessage string            `json:"exit_message,omitempty"`
	ExitHint    string            `json:"exit_hint,omitempty" jsonschema:"what to do about it"`
	Labels      map[string]string `json:"labels,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
	Attention   *Attention        `json:"attention,omitempty" jsonschema:"of the session that needs somebody most"`
	Workspace   *workspaceState   `json:"workspace,omitempty" jsonschema:"from workspace_prepare"`
}

type workspaceState struct {
	Path  string `json:"path"`
	State string `json:"state" jsonschema:"unexported changes: clean, changed or unknown"`
	Files int    `json:"files"`
}

func (s *Server) vmView(v api.VM) VM {
	view := VM{
		ID: v.ID, Name: v.Name, State: v.State, Image: status.Image(&v), VCPU: v.VCPU,
		MemoryBytes: v.MemoryBytes, DiskBytes: v.DiskBytes, Address: v.Address, Network: v.Network, Egress: v.Egress,
		Attention:  attentionView(v.Attention),
		ExitReason: v.ExitReason, ExitMessage: v.ExitMessage, Labels: v.Labels, CreatedAt: v.CreatedAt,
	}
	view.ExitHint = fault.FromWire(v.ExitHint, v.ExitHintParts).Word(s.word)
	if v.Health != nil {
		view.Health = v.Health.State
	}
	if w := v.Workspace; w != nil {
		view.Workspace = &workspaceState{Path: w.Path, State: w.State, Files: w.Files}
	}
	return view
}

type vmCreateArgs struct {
	Name      string            `json:"name,omitempty" jsonschema:"default: generated"`
	Image     string            `json:"image,omitempty" jsonschema:"local image, or a reference such as debian:bookworm to pull; default: the host's default image"`
	VCPU      int               `json:"vcpu,omitempty" jsonschema:"number of vCPUs"`
	MemoryMiB int64             `json:"memory_mib,omitempty" jsonschema:"memory size"`
	DiskMiB   int64             `json:"disk_mib,omitempty" jsonschema:"disk size, thin-provisioned"`
	Env       map[string]string `json:"env,omitempty" jsonschema:"environment of all commands in the VM"`
	Labels    map[string]string `json:"labels,omitempty" jsonschema:"labels to set"`
	Network   string            `json:"network,omitempty" jsonschema:"user (a private network) or none (no network device); default user"`
	Egress    string            `json:"egress,omitempty" jsonschema:"what the VM may reach: all, none, packages (package registries), ai, or rules such as 'default deny; allow *.example.org tcp/443'. No tool can change it later"`
	Publish   []publish         `json:"publish,omitempty" jsonschema:"host ports to forward to the VM; open ports appear on the host anyway, see vm_ports"`
	Restart   string            `json:"restart_policy,omitempty" jsonschema:"run the image's entrypoint and command as a service, and restart it: no, on-failure or always; default: do not run it"`
	Start     bool              `json:"start,omitempty" jsonschema:"start the VM and wait until it is ready"`
}

func (a vmCreateArgs) request() api.CreateVM {
	req := api.CreateVM{Labels: a.Labels, Env: pairs(a.Env), Start: &a.Start}
	if a.Name != "" {
		req.Name = &a.Name
	}
	if a.Image != "" {
		req.Image = &a.Image
	}
	if a.VCPU != 0 {
		req.VCPU = &a.VCPU
	}
	if a.MemoryMiB != 0 {
		bytes := a.MemoryMiB * mib
		req.MemoryBytes = &bytes
	}
	if a.DiskMiB != 0 {
		bytes := a.DiskMiB * mib
		req.DiskBytes = &bytes
	}
	if a.Network != "" {
		req.Network = &a.Network
	}
	if a.Egress != "" {
		req.Egress = &a.Egress
	}
	if a.Restart != "" {
		req.Entrypoint = &a.Restart
	}
	req.Publish = published(a.Publish)
	return req
}

// pairs is an environment as the API has it, in the order of the names.
func pairs(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, key := range slices.Sorted(maps.Keys(env)) {
		list = append(list, key+"="+env[key])
	}
	return list
}

type vmListArgs struct {
	Labels map[string]string `json:"labels,omitempty" jsonschema:"only VMs with all these labels"`
	State  string            `json:"state,omitempty" jsonschema:"only VMs in this state"`
	Limit  int               `json:"limit,omitempty" jsonschema:"maximum, newest first"`
}

type vmListResult struct {
	VMs   []VM `json:"vms" jsonschema:"oldest first"`
	Total int  `json:"total" jsonschema:"number of VMs, listed or not"`
}

type vmDeleteArgs struct {
	VM          string `json:"vm" jsonschema:"name or ID prefix"`
	Force       bool   `json:"force,omitempty" jsonschema:"also delete a running VM"`
	DiscardWork bool   `json:"discard_work,omitempty" jsonschema:"also delete unexported changes"`
}

type vmDeleteResult struct {
	Deleted string `json:"deleted" jsonschema:"name of the VM"`
}

type vmStartArgs struct {
	VM     string `json:"vm" jsonschema:"name or ID prefix"`
	Cold   bool   `json:"cold,omitempty" jsonschema:"boot a suspended VM, and discard its memory"`
	Rescue bool   `json:"rescue,omitempty" jsonschema:"start a broken guest without its services, to repair it"`
}

type vmStopArgs struct {
	VM      string  `json:"vm" jsonschema:"name or ID prefix"`
	Timeout float64 `json:"timeout_seconds,omitempty" jsonschema:"time to wait before powering off"`
}

func (s *Server) addVMTools() {
	addTool(s, spec{
		name: "vm_create", title: "Create a VM",
		description: "Create a VM from an image and start it. Takes seconds, or longer if the image must be pulled.",
		effect:      effect{openWorld: true},
		bounds: bounds{
			"name":  {length(1, 63), matching("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")},
			"image": {length(1, maxImage)}, "vcpu": {between(1, 1024)},
			"memory_mib": {between(32, 16<<20)}, "disk_mib": {between(16, 64<<20)},
			"env": environment(), "labels": {entries(64, 63, 256)}, "start": {fallback("true")},
			"network": {oneOf(api.NetworkUser, api.NetworkNone)}, "egress": {length(1, maxPolicy)}, "publish": {publishes(64)},
			"restart_policy": {oneOf("no", "on-failure", "always")},
		},
	}, s.vmCreate)
	addTool(s, spec{
		name: "vm_list", title: "List VMs", description: "List the VMs of this host.",
		effect: effect{readOnly: true},
		bounds: bounds{
			"labels": {entries(64, 63, 256)}, "limit": {between(1, 1000), fallback("100")},
			"state": {oneOf(api.VMStates()...)},
		},
	}, s.vmList)
	addTool(s, spec{
		name: "vm_delete", title: "Delete a VM",
		description: "Delete a VM and its disk. Set force if it is running, and discard_work if it has unexported changes.",
		effect:      effect{destructive: true, idempotent: true},
		bounds:      bounds{"vm": vmName()},
	}, s.vmDelete)
	addTool(s, spec{
		name: "vm_start", title: "Start a VM", description: "Start a stopped VM and wait until it is ready.",
		effect: effect{idempotent: true}, bounds: bounds{"vm": vmName()},
	}, s.vmStart)
	addTool(s, spec{
		name: "vm_stop", title: "Stop a VM", description: "Shut down a VM. Its disk is kept; its sessions end.",
		effect: effect{destructive: true, idempotent: true},
		bounds: bounds{"vm": vmName(), "timeout_seconds": {between(0, 600), fallback("20")}},
	}, s.vmStop)
}

// vmAfter follows an operation whose result is a VM.
func (s *Server) vmAfter(ctx context.Context, req *sdk.CallToolRequest, begin func(context.Context) (api.Operation, error)) (VM, error) {
	op, err := s.follow(ctx, req, begin)
	if err != nil {
		return VM{}, err
	}
	v, err := client.Result[api.VM](op)
	return s.vmView(v), err
}

func (s *Server) vmCreate(ctx context.Context, req *sdk.CallToolRequest, args vmCreateArgs) (VM, error) {
	return s.vmAfter(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.VMs.CreateVM(ctx, args.request())
	})
}

func (s *Server) vmList(ctx context.Context, _ *sdk.CallToolRequest, args vmListArgs) (vmListResult, error) {
	all, err := s.daemon.VMs.ListVMs(ctx, args.Labels)
	if err != nil {
		return vmListResult{}, err
	}
	if args.State != "" {
		all = slices.DeleteFunc(all, func(v api.VM) bool { return v.State != args.State })
	}
	out := vmListResult{VMs: []VM{}, Total: len(all)}
	for _, v := range all[max(0, len(all)-args.Limit):] {
		out.VMs = append(out.VMs, s.vmView(v))
	}
	return out, nil
}

func (s *Server) vmDelete(ctx context.Context, req *sdk.CallToolRequest, args vmDeleteArgs) (vmDeleteResult, error) {
	op, err := s.follow(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.VMs.DeleteVM(ctx, args.VM, api.DeleteVM{Force: args.Force, DiscardWork: args.DiscardWork})
	})
	return vmDeleteResult{Deleted: op.Subject}, err
}

func (s *Server) vmStart(ctx context.Context, req *sdk.CallToolRequest, args vmStartArgs) (VM, error) {
	return s.vmAfter(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.VMs.StartVM(ctx, args.VM, api.StartVM{Rescue: args.Rescue, Cold: args.Cold})
	})
}

func (s *Server) vmStop(ctx context.Context, req *sdk.CallToolRequest, args vmStopArgs) (VM, error) {
	return s.vmAfter(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.VMs.StopVM(ctx, args.VM, api.StopVM{TimeoutSeconds: &args.Timeout})
	})
}
