package server

import (
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/creation"
	"github.com/bangervm/banger/internal/vm"
)

func (s *Server) vmBody(v vm.VM) api.VM { return vmBody(s.uid, v) }

// vmBody is a VM of the user with this uid.
func vmBody(uid int, v vm.VM) api.VM {
	labels := v.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	body := api.VM{
		ID: v.ID, Name: v.Name, State: string(v.State), Image: v.Image, ImageID: v.ImageID, Kernel: v.Kernel,
		VCPU: v.VCPU, MemoryBytes: v.MemoryBytes, DiskBytes: v.DiskBytes, Driver: v.Driver, Init: string(v.Init),
		User: v.User, Entrypoint: string(v.Entrypoint), NoHealthcheck: v.NoHealthcheck, Env: texts(v.Env), Labels: labels, Nested: v.Nested, Console: v.Console, Protected: v.Protected, ExitReason: v.ExitReason, ExitMessage: v.ExitMessage,
		CreatedAt: v.CreatedAt.UTC(), StartedAt: when(v.StartedAt), StoppedAt: when(v.StoppedAt),
		Address: vm.Loopback(uid, v.Index).String(), Network: string(v.Network), Egress: v.Egress, Ports: string(v.Ports),
		Publish: make([]api.Publish, 0, len(v.Publish)),
	}
	body.ExitHint, body.ExitHintParts = v.ExitHint.Wire()
	body.BootTimeline = timelineBody(v.BootTimeline)
	if v.Network != vm.NetworkNone {
		ip, _ := vm.GuestAddresses(v.Index)
		body.GuestIP = ip.String()
	}
	for _, p := range v.Publish {
		body.Publish = append(body.Publish, api.Publish(p))
	}
	return body
}

// timelineBody is nil for a VM that was never started.
func timelineBody(t vm.BootTimeline) *api.BootTimeline {
	if t == (vm.BootTimeline{}) {
		return nil
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return &api.BootTimeline{
		How: string(t.How), Driver: t.Driver, Template: t.Template, NotRestored: t.NotRestored, MonitorMS: ms(t.Monitor), VMMMS: ms(t.VMM), ConnectedMS: ms(t.Connected),
		ConfiguredMS: ms(t.Configured), ReadyMS: ms(t.Ready),
	}
}

func published(ports []api.Publish) []vm.Publish {
	all := make([]vm.Publish, 0, len(ports))
	for _, p := range ports {
		all = append(all, vm.Publish(p))
	}
	return all
}

func runtimeBody(s vm.Status) *api.VMRuntime {
	return &api.VMRuntime{
		MonitorPID: s.MonitorPID, VMMPID: s.VMMPID, Monitor: s.Build, Agent: s.Agent, Phase: string(s.Phase),
		GuestInit: s.Init, Boots: s.Boots, Warning: s.Warning, ReadyAt: when(s.ReadyAt),
		Notes:       texts(s.Notes),
		Entrypoint:  (*api.VMEntrypoint)(s.Entrypoint),
		Confinement: s.Confinement, MonitorConfinement: s.MonitorConfinement,
	}
}

// creationRequest is a VM with what follows.
func creationRequest(body api.CreateVM) (creation.Request, error) {
	wait, err := vm.ParseWait(body.Wait)
	if err != nil {
		return creation.Request{}, err
	}
	req := creation.Request{VM: createRequest(body, wait)}
	if body.Workspace != nil {
		work, err := prepareRequest(*body.Workspace)
		if err != nil {
			return creation.Request{}, err
		}
		req.Workspace = &work
	}
	if body.Session != nil {
		start := startRequest(*body.Session)
		req.Session = &start
	}
	return req, nil
}

func createRequest(body api.CreateVM, wait vm.Wait) vm.CreateRequest {
	req := vm.CreateRequest{
		Name: body.Name, Image: body.Image, Platform: body.Platform, Kernel: body.Kernel, Driver: body.Driver,
		VCPU: body.VCPU, MemoryBytes: body.MemoryBytes, DiskBytes: body.DiskBytes, Nested: body.Nested, Console: body.Console, NoHealthcheck: body.NoHealthcheck,
		Env: body.Env, Labels: body.Labels, Wait: wait, Egress: body.Egress, Publish: published(body.Publish), Ports: (*vm.PortsMode)(body.Ports),
		Start: body.Start == nil || *body.Start,
	}
	if body.Network != nil {
		req.Network = vm.NetworkMode(*body.Network)
	}
	if body.Entrypoint != nil {
		req.Entrypoint = vm.RestartPolicy(*body.Entrypoint)
	}
	if body.Init != nil {
		req.Init = vm.InitMode(*body.Init)
	}
	return req
}

func changeOf(body api.UpdateVM) vm.Change {
	change := vm.Change{
		Name: body.Name, VCPU: body.VCPU, MemoryBytes: body.MemoryBytes, DiskBytes: body.DiskBytes, Labels: body.Labels,
		Kernel: body.Kernel, Driver: body.Driver, Env: body.Env, UnsetEnv: body.UnsetEnv, Nested: body.Nested, Console: body.Console, Entrypoint: (*vm.RestartPolicy)(body.Entrypoint), Protected: body.Protected,
	}
	if body.Publish != nil {
		ports := published(*body.Publish)
		change.Publish = &ports
	}
	return change
}
